-- Acknowledges an entry and leaves it in the stream: it is a response that a legacy client reads.
-- KEYS: 1 event stream  2 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 id  3 when it can be deleted, ms
-- Returns 1, or 0 when it was not pending any more.

-- include shared/end_attempt.lua

redis.pcall('ZADD', KEYS[2], ARGV[3], ARGV[2])
return acknowledge_attempt(KEYS[1], ARGV[1], ARGV[2]) and 1 or 0
