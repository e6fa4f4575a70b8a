-- Puts delayed messages that are due into the queue, the earliest first. Many workers may do it at once.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
-- ARGV
--   group
--   limit: number     how many at the most
--   max_bytes: number      about how many bytes at the most
-- Returns the time until the next message is due, ms: 0 when it is due already, -1 when there is none.

-- include shared/now_ms.lua
-- include shared/promote_message.lua

local now = now_ms()
local origins, bytes = {}, 0
for _, origin in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, limit)) do
  local body = redis.call('HGET', delayed_bodies, origin)
  if body then
    bytes = bytes + #body
    if bytes > max_bytes and bytes > #body then break end
    local is_promoted, failure = pcall(promote_message, origin, body)
    if not is_promoted then
      -- Those before it must not come again.
      if #origins > 0 then forget_delayed(origins) end
      error(failure, 0)
    end
  end
  origins[#origins + 1] = origin
end
if #origins > 0 then forget_delayed(origins) end

local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
if #first == 0 then return -1 end
return math.max(first[2] - now, 0)
