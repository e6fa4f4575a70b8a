-- Registers the number of partitions of a queue, unless one is registered. Calling it again changes nothing.
-- KEYS
--   partitions
--   lanes
-- ARGV
--   count: number     0 to register nothing
--   is_known: boolean  another partition of the queue has this number, so this one has lost it
-- Returns the number that is registered; 0 when there is none; -1 when the queue has messages with ordering
-- keys from the time before it had partitions. Their keys would move, and lose their order.
-- A failover can lose the number, and keep such messages.

local registered = redis.call('GET', partitions)
-- A text that is no number is not 0 either.
if registered then return tonumber(registered) or registered end
if count == 0 then return 0 end
if not is_known and redis.call('HLEN', lanes) > 0 then return -1 end
redis.call('SET', partitions, count)
return count
