-- Counts the dead letters.
-- KEYS
--   dead_letters
-- Returns their number.
return redis.call('ZCARD', dead_letters)
