-- Deletes the dead letter of a message that seemed abandoned and was handled after all.
-- KEYS
--   event_stream
--   dead_letters
--   dead_letter_bodies
--   lanes
--   lane_bodies
--   cancelled
--   held
-- ARGV
--   origin
--   beginning         beginning of the JSON of such a dead letter
-- Returns 1, or 0 when there is no such dead letter.

-- include shared/lanes/hold.lua

local letter = redis.call('HGET', dead_letter_bodies, origin)
if not letter or string.sub(letter, 1, #beginning) ~= beginning then return 0 end
redis.call('HDEL', dead_letter_bodies, origin)
redis.call('ZREM', dead_letters, origin)
free_keys({ origin }, 1, 1)
return 1
