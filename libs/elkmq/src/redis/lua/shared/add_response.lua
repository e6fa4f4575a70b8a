-- Writes a legacy response: its body into the event stream, and the id of the body into the index.
-- KEYS
--   event_stream
--   response_stream
-- ARGV
--   request           hyphenated request uuid
--   response          JSON of the response

-- Returns the id of the body.
local function add_response()
  local body = redis.call('XADD', event_stream, '*', 'response', response)
  redis.call('XADD', response_stream, '*', request, body)
  return body
end
