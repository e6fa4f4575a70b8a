-- Deletes a consumer from the group, unless it has pending entries. They would be lost with the consumer.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 consumer
-- Returns 0, or 1 when entries are still pending for it.
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if pending.err then return 0 end
if #pending > 0 then return #pending end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 0
