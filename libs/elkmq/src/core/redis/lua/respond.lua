-- Writes a response as the original does: the body into the event stream, its id into the index.
-- KEYS: 1 event stream  2 response stream
-- ARGV: 1 hyphenated request uuid  2 JSON of the response
-- Returns the id of the body.

local body = redis.call('XADD', KEYS[1], '*', 'response', ARGV[2])
redis.call('XADD', KEYS[2], '*', ARGV[1], body)
return body
