-- Takes a consumer out of the group, unless something is pending for it: deleting it would lose that.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 consumer
-- Returns the number of entries still pending for it.
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if pending.err then return 0 end
if #pending > 0 then return #pending end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 0
