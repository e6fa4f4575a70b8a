-- Removes a schedule. A mark stays, so that servers that run do not take it for lost.
-- KEYS
--   schedules
--   schedules_due
-- ARGV
--   name
-- Returns 1 when it was there, else 0.

-- include shared/now_ms.lua

local entry = redis.call('HGET', schedules, name)
if not entry or not string.find(entry, ' ', 1, true) then return 0 end
redis.call('HSET', schedules, name, string.format('%.0f', now_ms()))
redis.call('ZREM', schedules_due, name)
return 1
