-- Finishes an attempt at an event of a legacy client, and answers in the form that a legacy client reads.
-- KEYS
--   event_stream
--   message_queue
--   response_stream
-- ARGV
--   group
--   id                id of the entry
--   listed            id that its producer pushed to the message queue, '' when it is not there any more
--   request           hyphenated request uuid
--   response          JSON of the response, '' when none is due
-- Returns 1, or 0 when the worker does not own the entry any more.

-- include shared/add_response.lua
-- include shared/end_attempt.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('LLEN', message_queue)
redis.call('XLEN', response_stream)
if not end_attempt(event_stream, group, id) then return 0 end
-- The oldest ids are at the tail.
if listed ~= '' then redis.call('LREM', message_queue, -1, listed) end
if response ~= '' then add_response() end
return 1
