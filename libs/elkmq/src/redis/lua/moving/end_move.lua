-- Forgets messages that were on their way, and that the other queue has stored. The stream stays for a while
-- without any, so that its next id is above all before.
-- KEYS
--   moving
-- ARGV
--   ids...
-- Returns the number of messages.

local EMPTY_TTL_MS = 3600000

local count = redis.call('XDEL', moving, unpack(ARGV, ids_at))
if redis.call('XLEN', moving) == 0 then redis.call('PEXPIRE', moving, EMPTY_TTL_MS) end
return count
