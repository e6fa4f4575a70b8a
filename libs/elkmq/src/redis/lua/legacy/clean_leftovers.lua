-- Deletes entries that are left to legacy clients, when their time has passed. They are the events that
-- legacy consumers took, and responses.
-- KEYS
--   event_stream
--   message_queue
--   leftovers
-- ARGV
--   group
--   limit: number     how many entries at the most
-- Returns the number of entries that were looked at.

-- include shared/is_pending.lua
-- include shared/now_ms.lua

-- An event that waits or is being handled is looked at again after this time.
local AGAIN_MS = 10000
-- The script reads the message queue to know which events wait. While the list is longer than this, it is not
-- read, and every event counts as waiting.
local LONG = 20000
local PAGE = 1000

local now = now_ms()
local waiting
local function is_waiting(id)
  if not waiting then
    waiting = {}
    local length = redis.call('LLEN', message_queue)
    if length > LONG then
      setmetatable(waiting, { __index = function() return true end })
      length = 0
    end
    for from = 0, length - 1, PAGE do
      local page = redis.call('LRANGE', message_queue, from, from + PAGE - 1)
      for _, element in ipairs(page) do waiting[element] = true end
    end
  end
  return waiting[id]
end

local due = redis.call('ZRANGEBYSCORE', leftovers, '-inf', now, 'LIMIT', 0, limit)
local gone, again = {}, {}
for _, id in ipairs(due) do
  if is_pending(event_stream, group, id) or is_waiting(id) then
    again[#again + 1], again[#again + 2] = string.format('%.0f', now + AGAIN_MS), id
  else
    gone[#gone + 1] = id
  end
end
if #gone > 0 then
  for _, id in ipairs(gone) do redis.pcall('XDEL', event_stream, id) end
  redis.call('ZREM', leftovers, unpack(gone))
end
if #again > 0 then redis.call('ZADD', leftovers, unpack(again)) end
return #due
