-- Finishes an attempt at an event of a legacy client, and answers in the form that a legacy client reads.
-- KEYS: 1 event stream  2 message queue  3 response stream
-- ARGV: 1 group  2 id  3 id that its producer pushed to the message queue, '' when it is not there any more
--       4 hyphenated request uuid  5 JSON of the response, or '' when none is due
-- Returns 1, or 0 when the worker does not own the entry any more.

-- include shared/end_attempt.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('LLEN', KEYS[2])
redis.call('XLEN', KEYS[3])
if not end_attempt(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
-- The oldest ids are at the tail.
if ARGV[3] ~= '' then redis.call('LREM', KEYS[2], -1, ARGV[3]) end
if ARGV[5] ~= '' then
  local body = redis.call('XADD', KEYS[1], '*', 'response', ARGV[5])
  redis.call('XADD', KEYS[3], '*', ARGV[4], body)
end
return 1
