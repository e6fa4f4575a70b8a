-- Deletes entries that are left to legacy clients, when their time has passed. They are the events that
-- legacy consumers took, and responses.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 how many entries at the most
-- Returns the number of entries that were looked at.

local stream, list, leftovers = KEYS[1], KEYS[2], KEYS[3]
-- An event that waits or is being handled is looked at again after this time, ms.
local AGAIN = 10000
-- The script reads the message queue to know which events wait. While the list is longer than this, it is not
-- read, and every event counts as waiting.
local LONG = 20000
local PAGE = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local waiting
local function is_waiting(id)
  if not waiting then
    waiting = {}
    local length = redis.call('LLEN', list)
    if length > LONG then
      setmetatable(waiting, { __index = function() return true end })
      length = 0
    end
    for from = 0, length - 1, PAGE do
      for _, element in ipairs(redis.call('LRANGE', list, from, from + PAGE - 1)) do waiting[element] = true end
    end
  end
  return waiting[id]
end

local due = redis.call('ZRANGEBYSCORE', leftovers, '-inf', now, 'LIMIT', 0, ARGV[2])
local gone, again = {}, {}
for _, id in ipairs(due) do
  -- XPENDING fails when there is no group, so nobody has the entry, and when `id` is not an id.
  local pending = redis.pcall('XPENDING', stream, ARGV[1], id, id, 1)
  if (not pending.err and #pending > 0) or is_waiting(id) then
    again[#again + 1] = string.format('%.0f', now + AGAIN)
    again[#again + 1] = id
  else
    gone[#gone + 1] = id
  end
end
if #gone > 0 then
  for _, id in ipairs(gone) do redis.pcall('XDEL', stream, id) end
  redis.call('ZREM', leftovers, unpack(gone))
end
if #again > 0 then redis.call('ZADD', leftovers, unpack(again)) end
return #due
