-- Puts one reply into the inbox of a client, unless the client is gone.
-- KEYS: 1 inbox
-- ARGV: 1 JSON array of replies
-- Returns the id of the entry, or the time, ms since 1970, when the client is gone.

if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('XADD', KEYS[1], '*', 'replies', ARGV[1]) end
local now = redis.call('TIME')
return now[1] .. string.format('%03d', math.floor(now[2] / 1000))
