-- Registers the number of partitions of a queue or a topic, unless one is registered. Calling it again
-- changes nothing.
-- KEYS
--   partitions        of the queue, or the key of a topic for the same
--   lanes...          of the queue, or of each subscription of the topic
-- ARGV
--   count: number     0 to register nothing
--   is_known: boolean  another partition has this number, so this one has lost it
-- Returns the number that is registered; 0 when there is none; -1 when there are messages with ordering keys
-- from the time before there were partitions. Their keys would move, and lose their order.
-- A failover can lose the number, and keep such messages.

local registered = redis.call('GET', partitions)
-- A text that is no number is not 0 either.
if registered then return tonumber(registered) or registered end
if count == 0 then return 0 end
if not is_known then
  for i = lanes_at, #KEYS do
    if redis.call('HLEN', KEYS[i]) > 0 then return -1 end
  end
end
redis.call('SET', partitions, count)
return count
