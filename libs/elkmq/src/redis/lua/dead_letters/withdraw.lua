-- Deletes the dead letter of a message that seemed abandoned and was handled after all.
-- KEYS: 1 dead letters, zset  2 dead letters, hash
-- ARGV: 1 origin  2 beginning of the JSON of such a dead letter
-- Returns 1, or 0 when there is no such dead letter.
local letter = redis.call('HGET', KEYS[2], ARGV[1])
if not letter or string.sub(letter, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
