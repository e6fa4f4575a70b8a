-- Puts delayed messages into the queue.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
--   lane_bodies

-- include shared/fields.lua
-- include shared/lanes/add.lua

-- A message that cannot be read is put into the queue too. The worker that takes it finds it malformed.
local function promote_message(origin, body)
  local is_json, fields = pcall(cjson.decode, body)
  if not is_json or not are_fields(fields) then fields = { 'event', body, 'origin', origin } end
  -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
  local key = get_field(fields, 'ordering_key')
  if key then add_to_lane(key, fields, origin)
  else redis.call('XADD', event_stream, '*', unpack(fields)) end
end

-- Messages that were put into the queue are no longer delayed.
local function forget_delayed(origins)
  redis.call('ZREM', delayed, unpack(origins))
  redis.call('HDEL', delayed_bodies, unpack(origins))
end
