-- Deletes a consumer from the group, unless it has pending entries. They would be lost with the consumer.
-- KEYS
--   event_stream
-- ARGV
--   group
--   consumer
-- Returns 0, or 1 when entries are still pending for it.
local pending = redis.pcall('XPENDING', event_stream, group, '-', '+', 1, consumer)
if pending.err then return 0 end
if #pending > 0 then return #pending end
redis.call('XGROUP', 'DELCONSUMER', event_stream, group, consumer)
return 0
