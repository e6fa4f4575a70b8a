-- Deletes dead letters. The ordering keys that they hold are free.
-- KEYS
--   event_stream
--   dead_letters
--   dead_letter_bodies
--   lanes
--   lane_bodies
--   cancelled
--   held
-- ARGV
--   origins...
-- Returns two values: the number of deleted letters, and the number of origins that were looked at.

-- include shared/free.lua
-- include shared/lanes/hold.lua

local seen = how_many_to_free(dead_letter_bodies, ARGV, origins_at, #ARGV)
seen = free_keys(ARGV, origins_at, origins_at + seen - 1)
local last = origins_at + seen - 1
redis.call('ZREM', dead_letters, unpack(ARGV, origins_at, last))
return { redis.call('HDEL', dead_letter_bodies, unpack(ARGV, origins_at, last)), seen }
