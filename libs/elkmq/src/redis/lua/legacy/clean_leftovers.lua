-- Deletes entries that are left to legacy clients, when their time has passed. They are the events that
-- legacy consumers took, and responses. A response goes together with its place in the index: the state of a
-- queue counts what waits by both.
-- KEYS
--   event_stream
--   response_stream
--   message_queue
--   leftovers
-- ARGV
--   group
--   limit: number     how many entries at the most
-- Returns the number of entries that were looked at.

-- include shared/is_pending.lua
-- include shared/now_ms.lua
-- include shared/page.lua

-- An event that waits or is being handled is looked at again after this time.
local AGAIN_MS = 10000
-- The script reads the message queue to know which events wait. While the list is longer than this, it is not
-- read, and every event counts as waiting.
local LONG = 20000
local PAGE = 1000
-- A response is written just before its place in the index. So many places are looked at, at the most.
local NEAR = 100
-- How many of them are read at once. Usually the first one is the right one.
local NEAR_AT_ONCE = 10

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

-- Deletes the place of a response in the index. A response without one is deleted by itself.
local function delete_place(id)
  local from = string.match(id, '^%d+') .. '-0'
  for _ = 1, NEAR / NEAR_AT_ONCE do
    local places = redis.call('XRANGE', response_stream, from, '+', 'COUNT', NEAR_AT_ONCE)
    for _, place in ipairs(places) do
      if place[2][2] == id then
        redis.call('XDEL', response_stream, place[1])
        return
      end
    end
    if #places < NEAR_AT_ONCE then return end
    from = id_after(places[#places][1])
  end
end

local has_responses = redis.call('EXISTS', response_stream) == 1
local bytes = 0
-- An id that somebody else has written may be none.
local function delete_leftover(id)
  local entry = has_responses and parts_of_id(id) and redis.pcall('XRANGE', event_stream, id, id)[1]
  if entry then
    bytes = bytes + bytes_of(entry[2])
    if entry[2][1] == 'response' then delete_place(id) end
  end
  redis.pcall('XDEL', event_stream, id)
end

local due = redis.call('ZRANGEBYSCORE', leftovers, '-inf', now, 'LIMIT', 0, limit)
local gone, again = {}, {}
for _, id in ipairs(due) do
  -- The rest is for the next call.
  if bytes >= MAX_BYTES then break end
  if is_pending(event_stream, group, id) or is_waiting(id) then
    again[#again + 1], again[#again + 2] = string.format('%.0f', now + AGAIN_MS), id
  else
    delete_leftover(id)
    gone[#gone + 1] = id
  end
end
if #gone > 0 then redis.call('ZREM', leftovers, unpack(gone)) end
if #again > 0 then redis.call('ZADD', leftovers, unpack(again)) end
return #due
