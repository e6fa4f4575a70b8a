-- Acknowledges an entry and leaves it in the stream: it is a response of the original, and another reader's.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 id
-- Returns 1, or 0 when it was not pending any more.
return redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
