-- Stores a message that legacy consumers may take. Their message queue gets its id. They do not delete the
-- entry, so it is also put into the leftovers.
-- KEYS
--   event_stream
--   message_queue
--   leftovers
-- ARGV
--   kept_longer: number

local function store_listed(fields)
  fields[#fields + 1], fields[#fields + 2] = 'listed', '1'
  local id = redis.call('XADD', event_stream, '*', unpack(fields))
  redis.call('LPUSH', message_queue, id)
  local timeout = string.match(fields[2], '^{"request_uuid":%d+,"timeout":(%d+)')
  local deletable = string.match(id, '^%d+') + timeout * 1000 + kept_longer
  redis.call('ZADD', leftovers, string.format('%.0f', deletable), id)
  return id
end
