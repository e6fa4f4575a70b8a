-- Reads a page of the entries that are pending: a worker has taken them and not settled them.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 id of the last entry of the page before, '' to begin  3 how many at the most
--       4 bytes after which no further entry is read
-- Returns 1 when there are no more, else 0; now in ms; then per entry: id, fields or nil when the entry was
-- deleted, consumer, idle time in ms.

-- include shared/after.lua

local stream, seen, limit, budget = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local answer, bytes = { 1, time[1] * 1000 + math.floor(time[2] / 1000) }, 0
local pending = redis.pcall('XPENDING', stream, ARGV[1], seen == '' and '-' or after(seen), '+', limit)
-- XPENDING fails when there is no group. Then nobody has taken anything.
if pending.err then return answer end
for _, about in ipairs(pending) do
  if bytes >= budget then
    answer[1] = 0
    return answer
  end
  local entry = redis.call('XRANGE', stream, about[1], about[1])[1]
  answer[#answer + 1], answer[#answer + 2] = about[1], entry and entry[2] or false
  answer[#answer + 1], answer[#answer + 2] = about[2], about[3]
  for f = 2, entry and #entry[2] or 0, 2 do bytes = bytes + #entry[2][f] end
end
if #pending == limit then answer[1] = 0 end
return answer
