-- Deletes dead letters.
-- KEYS
--   dead_letters
--   dead_letter_bodies
-- ARGV
--   origins...
-- Returns two values: the number of deleted letters, and the number of origins that were looked at.

-- include shared/free.lua

local seen = how_many_to_free(dead_letter_bodies, ARGV, origins_at, #ARGV)
local last = origins_at + seen - 1
redis.call('ZREM', dead_letters, unpack(ARGV, origins_at, last))
return { redis.call('HDEL', dead_letter_bodies, unpack(ARGV, origins_at, last)), seen }
