-- Writes a legacy response: its body into the event stream, and the id of the body into the index.
-- Returns the id of the body.

-- include shared/add_response.lua

return add_response()
