-- Counts the dead letters.
-- KEYS: 1 dead letters, zset
-- Returns their number.
return redis.call('ZCARD', KEYS[1])
