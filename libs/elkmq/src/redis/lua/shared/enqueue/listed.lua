-- Stores a message that legacy consumers may take. Their message queue gets its id. They do not delete the
-- entry, so it is also put into the leftovers.
-- KEYS
--   event_stream
--   message_queue
--   leftovers

-- include shared/deletable_at.lua

local function store_listed(fields)
  fields[#fields + 1], fields[#fields + 2] = 'listed', '1'
  local id = redis.call('XADD', event_stream, '*', unpack(fields))
  redis.call('LPUSH', message_queue, id)
  redis.call('ZADD', leftovers, string.format('%.0f', deletable_at(id, fields[2])), id)
  return id
end
