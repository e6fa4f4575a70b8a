-- Deletes dead letters.
-- KEYS: 1 dead letters, zset  2 dead letters, hash
-- ARGV: origins
-- Returns two values: the number of deleted letters, and the number of origins that were looked at.

-- include shared/free.lua

local seen = how_many_to_free(KEYS[2], ARGV)
redis.call('ZREM', KEYS[1], unpack(ARGV, 1, seen))
return { redis.call('HDEL', KEYS[2], unpack(ARGV, 1, seen)), seen }
