-- Finishes attempts and stores their last replies. Replies are stored only if the worker still owns the
-- entry. Every script that takes an entry from a worker acknowledges it. Therefore, when all entries are
-- pending, the worker owns all of them. When some are not, or the group is gone, it owns those that can still
-- be deleted.
-- KEYS: 1 event stream  2.. inboxes
-- ARGV: 1 group  2 id of the first entry and  3 least id after the last, when the entries are a contiguous
--       range of the stream; '' otherwise
--       4.. per inbox: its index in KEYS, 0 when there are no replies; the number of attempts; their replies
--       as a JSON array with a line for each attempt, '' when there are none; their ids
-- Returns the ids of the attempts whose worker does not own the entry any more.

-- include shared/end_attempt.lua

local stream, group = KEYS[1], ARGV[1]
local lost = {}

-- Deletes the entries ARGV[first] to ARGV[last] that the worker owns. Returns the replies of those.
local function delete_mine(replies, first, last)
  local next_line, mine = string.gmatch(string.sub(replies, 2, -2), ',?([^\n]+)'), {}
  for i = first, last do
    local line = next_line()
    if end_attempt(stream, group, ARGV[i]) then
      mine[#mine + 1] = line
    else
      lost[#lost + 1] = ARGV[i]
    end
  end
  return #mine > 0 and '[' .. table.concat(mine, ',') .. ']' or ''
end

-- XDEL looks for each entry in its node, which costs as much as to store it. When the range is the oldest
-- part of the stream, one XTRIM can delete all of it. Returns whether it did. Redis before 6.2 cannot do it.
local function trim(first, stop)
  local older = redis.pcall('XPENDING', stream, group, '-', '(' .. first, 1)
  if older.err or #older > 0 then return false end
  -- Older entries that are not pending must stay too, such as those that are left to legacy clients.
  if #redis.call('XRANGE', stream, '-', '(' .. first, 'COUNT', 1) > 0 then return false end
  return type(redis.pcall('XTRIM', stream, 'MINID', stop)) == 'number'
end

local whole, i = {}, 4
while i < #ARGV do
  local inbox, replies, first = KEYS[tonumber(ARGV[i])], ARGV[i + 2], i + 3
  local last = i + 2 + ARGV[i + 1]
  if end_attempts(stream, group, first, last) then
    whole[#whole + 1] = { first, last }
  else
    replies = delete_mine(replies, first, last)
  end
  -- When there is no inbox, the client is gone. XADD fails on a key of another type, and nothing changes.
  if replies ~= '' and redis.call('EXISTS', inbox) == 1 then redis.pcall('XADD', inbox, '*', 'replies', replies) end
  i = last + 1
end
if ARGV[2] == '' or #lost > 0 or not trim(ARGV[2], ARGV[3]) then
  for _, ids in ipairs(whole) do redis.call('XDEL', stream, unpack(ARGV, ids[1], ids[2])) end
end
return lost
