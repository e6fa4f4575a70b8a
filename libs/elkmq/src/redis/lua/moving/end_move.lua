-- Forgets messages that were on their way, and that the other queue has stored.
-- KEYS
--   moving
-- ARGV
--   ids...
-- Returns the number of messages.

-- include shared/expire_moving.lua

local count = redis.call('XDEL', moving, unpack(ARGV, ids_at))
expire_when_empty()
return count
