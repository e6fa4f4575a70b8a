-- Takes a consumer out of the group, unless something is pending for it: deleting it would lose that.
-- KEYS: 1 event stream  2 claims, hash
-- ARGV: 1 group  2 consumer
-- Returns the number of entries still pending for it.
redis.replicate_commands()

-- include shared/expand_claims.lua

expand_claims(KEYS[1], KEYS[2], ARGV[1])
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if pending.err then return 0 end
if #pending > 0 then return #pending end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 0
