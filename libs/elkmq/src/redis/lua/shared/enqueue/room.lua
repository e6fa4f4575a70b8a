-- Counts the messages that wait, are in flight or are delayed, and those behind an ordering key. Some
-- entries of the event stream are no messages: legacy responses, and events that legacy consumers have
-- taken. Where legacy consumers read the queue, the messages that wait are in the message queue.
-- KEYS
--   event_stream
--   delayed
--   message_queue
--   leftovers
--   response_stream
--   lane_bodies
-- ARGV
--   group
--   legacy_consumers: boolean

local function count_messages()
  local put_off = redis.call('ZCARD', delayed) + redis.call('HLEN', lane_bodies)
  if legacy_consumers then
    local pending = redis.pcall('XPENDING', event_stream, group)
    return redis.call('LLEN', message_queue) + (pending.err and 0 or pending[1]) + put_off
  end
  local no_messages = math.max(redis.call('XLEN', response_stream), redis.call('ZCARD', leftovers))
  return redis.call('XLEN', event_stream) - no_messages + put_off
end
