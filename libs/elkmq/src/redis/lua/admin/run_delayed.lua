-- Puts chosen delayed messages into the queue now, whenever they are due.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
-- ARGV
--   group
--   budget: number    bytes after which no further message is put into the queue
--   origins...
-- Returns two values: the number of messages put into the queue, and the number of origins that were looked
-- at.

-- include shared/promote_message.lua

local count, bytes = 0, 0
for i = origins_at, #ARGV do
  local origin = ARGV[i]
  if bytes >= budget then return { count, i - origins_at } end
  local body = redis.call('ZSCORE', delayed, origin) and redis.call('HGET', delayed_bodies, origin)
  if body then
    bytes = bytes + #body
    promote_message(origin, body)
    forget_delayed({ origin })
    count = count + 1
  end
end
return { count, #ARGV - origins_at + 1 }
