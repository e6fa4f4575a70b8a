-- Finishes attempts and passes on their last replies. What an attempt has said goes out only while the attempt is its
-- worker's (the fence). Whoever takes an entry away from a worker acknowledges it: so when all are pending, all are the
-- worker's. When not all are (or the group is gone), it is those whose entry could be deleted.
-- KEYS: 1 event stream  2.. inboxes
-- ARGV: 1 group  2 id of the first entry and  3 least id after the last, when all entries together are a stretch of the
--       stream without a gap; '' otherwise
--       4.. per inbox: its place in KEYS, 0 where nobody is told anything; the number of attempts; their
--       replies as a JSON array, '' where nobody is told anything, in which each attempt has a line of its own; their ids
-- Returns the ids of the attempts that were not the worker's any more.

local stream, group = KEYS[1], ARGV[1]
local lost = {}

-- Deletes what is the worker's of ARGV[first] to ARGV[last]. Returns what is left of the replies.
local function delete_mine(replies, first, last)
  local next_line, mine = string.gmatch(string.sub(replies, 2, -2), ',?([^\n]+)'), {}
  for i = first, last do
    local line = next_line()
    if redis.call('XDEL', stream, ARGV[i]) == 1 then
      mine[#mine + 1] = line
    else
      lost[#lost + 1] = ARGV[i]
    end
  end
  return #mine > 0 and '[' .. table.concat(mine, ',') .. ']' or ''
end

-- XDEL looks for each entry in its node, which costs as much as to store it. Where a stretch is the oldest that there
-- is, all before its end can go at once. Answers whether it could: not before Redis 6.2, for one.
local function trim(first, stop)
  local older = redis.pcall('XPENDING', stream, group, '-', '(' .. first, 1)
  if older.err or #older > 0 then return false end
  -- Also what is not pending any more, as that which is left to original consumers.
  if #redis.call('XRANGE', stream, '-', '(' .. first, 'COUNT', 1) > 0 then return false end
  return type(redis.pcall('XTRIM', stream, 'MINID', stop)) == 'number'
end

local whole, i = {}, 4
while i < #ARGV do
  local inbox, replies, first = KEYS[tonumber(ARGV[i])], ARGV[i + 2], i + 3
  local last = i + 2 + ARGV[i + 1]
  if redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1 then
    whole[#whole + 1] = { first, last }
  else
    replies = delete_mine(replies, first, last)
  end
  -- No inbox: its client is gone. Anything else under its name is not ours to write to, so an error changes nothing.
  if replies ~= '' and redis.call('EXISTS', inbox) == 1 then redis.pcall('XADD', inbox, '*', 'replies', replies) end
  i = last + 1
end
if ARGV[2] == '' or #lost > 0 or not trim(ARGV[2], ARGV[3]) then
  for _, ids in ipairs(whole) do redis.call('XDEL', stream, unpack(ARGV, ids[1], ids[2])) end
end
return lost
