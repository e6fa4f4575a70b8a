-- Deletes dead letters.
-- KEYS: 1 dead letters, zset  2 dead letters, hash
-- ARGV: origins
-- Returns how many there were.
redis.call('ZREM', KEYS[1], unpack(ARGV))
return redis.call('HDEL', KEYS[2], unpack(ARGV))
