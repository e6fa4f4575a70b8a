-- Reads one dead letter.
-- KEYS
--   dead_letter_bodies
-- ARGV
--   origin
-- Returns its JSON, or nil when there is none.
return redis.call('HGET', dead_letter_bodies, origin)
