-- Finishes attempts and stores their last replies. Replies are stored only if the worker still owns the
-- entry. Every script that takes an entry from a worker acknowledges it. Therefore, when all entries are
-- pending, the worker owns all of them. When some are not, or the group is gone, it owns those that can still
-- be deleted.
-- KEYS
--   event_stream
--   inboxes...
-- ARGV
--   group
--   first             id of the first entry, when the entries are a contiguous range of the stream; else ''
--   stop              least id after the last entry of that range; else ''
--   inbox_settlements...  per inbox: inbox: number, replies, ids...
--                     `inbox` is its number among the inboxes, 0 when there are no replies. `replies` is a
--                     JSON array with a line for each attempt, '' when there are none. `ids` are the entries.

local lost = {}

-- Deletes the entries ARGV[from] to ARGV[last] that the worker owns. Returns the replies of those.
local function delete_mine(replies, from, last)
  local next_line, mine = string.gmatch(string.sub(replies, 2, -2), ',?([^\n]+)'), {}
  for i = from, last do
    local line = next_line()
    if end_attempt(event_stream, group, ARGV[i]) then
      mine[#mine + 1] = line
    else
      lost[#lost + 1] = ARGV[i]
    end
  end
  return #mine > 0 and '[' .. table.concat(mine, ',') .. ']' or ''
end

-- XDEL looks for each entry in its node, which costs as much as to store it. When the range is the oldest
-- part of the stream, one XTRIM can delete all of it. Returns whether it did. Redis before 6.2 cannot do it.
local function trim()
  local older = redis.pcall('XPENDING', event_stream, group, '-', '(' .. first, 1)
  if older.err or #older > 0 then return false end
  -- Older entries that are not pending must stay too, such as those that are left to legacy clients.
  if #redis.call('XRANGE', event_stream, '-', '(' .. first, 'COUNT', 1) > 0 then return false end
  return type(redis.pcall('XTRIM', event_stream, 'MINID', stop)) == 'number'
end

local whole, i = {}, inbox_settlements_at
while i < #ARGV do
  local inbox, replies, length = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local from, last = i + 3, i + 2 + length
  if end_attempts(event_stream, group, from, last) then
    whole[#whole + 1] = { from, last }
  else
    replies = delete_mine(replies, from, last)
  end
  if replies ~= '' then add_replies(KEYS[inboxes_at + inbox - 1], replies) end
  i = last + 1
end
if first == '' or #lost > 0 or not trim() then
  for _, ids in ipairs(whole) do redis.call('XDEL', event_stream, unpack(ARGV, ids[1], ids[2])) end
end
