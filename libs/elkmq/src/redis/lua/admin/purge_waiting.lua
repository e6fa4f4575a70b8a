-- Deletes messages that no worker has taken, the oldest first. Legacy responses and nudges stay.
-- KEYS: 1 event stream  2 message queue
-- ARGV: 1 group  2 id at which to begin, '' for the first one that waits  3 id of the last entry to look at
--       4 how many entries to look at  5 bytes after which no further entry is deleted
-- Returns the number of deleted messages, and the id at which to go on, '' when there are no more.

-- include shared/after.lua

-- include shared/last_taken.lua

local stream, first, budget = KEYS[1], ARGV[2], tonumber(ARGV[5])
-- Workers may have taken more since the last call.
local start = after(last_taken(stream, ARGV[1]))
if first == '' or is_before(first, start) then first = start end
if is_before(ARGV[3], first) then return { 0, '' } end

local count, bytes = 0, 0
for _ = 1, tonumber(ARGV[4]) do
  local entry = redis.call('XRANGE', stream, first, ARGV[3], 'COUNT', 1)[1]
  if not entry then return { count, '' } end
  if entry[2][1] ~= 'due' and not (entry[2][1] == 'response' and #entry[2] == 2) then
    for f = 2, #entry[2], 2 do bytes = bytes + #entry[2][f] end
    redis.call('LREM', KEYS[2], -1, entry[1])
    count = count + redis.call('XDEL', stream, entry[1])
  end
  first = after(entry[1])
  if bytes >= budget then break end
end
return { count, first }
