-- Pauses a queue, unless it is paused. Calling it again changes nothing.
-- KEYS
--   control
-- ARGV
--   by                whoever pauses it, or ''
-- Returns { the time since which it is paused in ms, whoever paused it or '' }.

-- include shared/now_ms.lua

if not redis.call('HGET', control, 'paused') then
  redis.call('HSET', control, 'paused', string.format('%.0f', now_ms()))
  if by ~= '' then redis.call('HSET', control, 'by', by) end
end
return { redis.call('HGET', control, 'paused'), redis.call('HGET', control, 'by') or '' }
