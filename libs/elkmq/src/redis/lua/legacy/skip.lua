-- Acknowledges an entry and leaves it in the stream: it is a response that a legacy client reads.
-- KEYS
--   event_stream
--   leftovers
-- ARGV
--   group
--   id                id of the entry
--   deletable: number      when it can be deleted, ms since 1970
-- Returns 1, or 0 when it was not pending any more.

-- include shared/end_attempt.lua

redis.pcall('ZADD', leftovers, deletable, id)
return acknowledge_attempt(event_stream, group, id) and 1 or 0
