-- Removes a caller that does not wait any more from a deduplicated request. When it was the last one, the
-- request is deleted, unless a worker has taken it. The key is free again when the request was deleted or the
-- window is over.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
--   lane_bodies
--   cancelled
--   record            record of the key, hash
-- ARGV
--   group
--   origin
--   ordering_key      '' when the request has none
--   waiter            client and request uuid of the caller, joined by a blank
-- Returns 1 when nobody waits any more for a request that a worker has taken, else 0.

-- include shared/delete_untaken.lua
-- include shared/lanes/release.lua
-- include shared/now_ms.lua

local first, waiters, ends = unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ends'))
if first ~= origin then return 0 end
local others = {}
for client, request in string.gmatch(waiters, '(%S+) (%S+)') do
  local other = client .. ' ' .. request
  if other ~= waiter then others[#others + 1] = other end
end
redis.call('HSET', record, 'waiters', table.concat(others, ' '))
if #others > 0 then return 0 end
local is_gone = delete_untaken(event_stream, group, origin)
-- The origin is also the id of the nudge, if a delayed request has one.
if redis.call('ZREM', delayed, origin) == 1 then
  redis.call('HDEL', delayed_bodies, origin)
  is_gone = true
end
if is_gone and ordering_key ~= '' then release(ordering_key, origin) end
-- A request in flight may never be answered. After the window a new caller must not wait for it.
if is_gone or (tonumber(ends) or 0) <= now_ms() then redis.call('DEL', record) end
return is_gone and 0 or 1
