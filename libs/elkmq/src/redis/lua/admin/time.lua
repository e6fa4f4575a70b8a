-- Reads the clock of the server that has the queue. On Cluster a command without a key goes to any server.
-- KEYS
--   event_stream
-- Returns seconds since 1970, and microseconds.
return redis.call('TIME')
