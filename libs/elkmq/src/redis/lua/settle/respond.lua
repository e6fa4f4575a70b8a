-- Writes a legacy response: its body into the event stream, and the id of the body into the index.
-- KEYS: 1 event stream  2 response stream, the index
-- ARGV: 1 hyphenated request uuid  2 JSON of the response
-- Returns the id of the body.

local body = redis.call('XADD', KEYS[1], '*', 'response', ARGV[2])
redis.call('XADD', KEYS[2], '*', ARGV[1], body)
return body
