-- Puts one reply into the inbox of a client, unless the client is gone.
-- KEYS
--   inbox
-- ARGV
--   replies           JSON array of replies
-- Returns the id of the entry, or the time, ms since 1970, when the client is gone.

-- include shared/now_ms.lua

if redis.call('EXISTS', inbox) == 1 then return redis.call('XADD', inbox, '*', 'replies', replies) end
return string.format('%.0f', now_ms())
