-- The record of an event's deduplication key is a string: the id of the first event with it.

-- Returns the id of the event that has the key already, or false.
local function first_event(record)
  local first = redis.pcall('GET', record)
  return type(first) == 'string' and first
end

local function remember_event(record, id, window)
  redis.call('SET', record, id, 'PX', window)
end
