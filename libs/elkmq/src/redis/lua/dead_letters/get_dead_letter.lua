-- Reads one dead letter.
-- KEYS: 1 dead letters, hash
-- ARGV: 1 origin
-- Returns its JSON, or nil when there is none.
return redis.call('HGET', KEYS[1], ARGV[1])
