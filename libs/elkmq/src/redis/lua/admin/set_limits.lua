-- Sets the limits of a queue in place of those before. Calling it again changes nothing.
-- KEYS
--   control
-- ARGV
--   concurrency       messages that may run at once, or ''
--   rate              messages that may be started in `per`, or ''
--   per               ms, or ''
-- Returns nothing.

local before = redis.call('HMGET', control, 'rate', 'per')
-- A rate that stays goes on to count.
if before[1] ~= rate or before[2] ~= per then redis.call('HDEL', control, 'tat') end
redis.call('HDEL', control, 'concurrency', 'rate', 'per')
if concurrency ~= '' then redis.call('HSET', control, 'concurrency', concurrency) end
if rate ~= '' then redis.call('HSET', control, 'rate', rate, 'per', per) end
