-- Puts delayed messages into the queue.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
--   lane_bodies
-- ARGV
--   group

-- include shared/fields.lua
-- include shared/is_pending.lua
-- include shared/lanes/add.lua
-- include shared/stream_ids.lua

-- A message that cannot be read is put into the queue too. The worker that takes it finds it malformed.
local function promote_message(origin, body)
  local is_json, fields = pcall(cjson.decode, body)
  if not is_json or not are_fields(fields) then fields = { 'event', body, 'origin', origin } end
  -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
  local key = get_field(fields, 'ordering_key')
  if key then add_to_lane(key, fields, origin)
  else redis.call('XADD', event_stream, '*', unpack(fields)) end
end

-- A nudge, see shared/enqueue/delayed.lua, has announced its message until now. From now on it would only count
-- as a message, so it is deleted. A worker that has taken it deletes it itself. An error here changes nothing
-- for the message, and would hide that it was put into the queue.
local function delete_nudge(origin)
  if not parts_of_id(origin) then return end
  local entry = redis.pcall('XRANGE', event_stream, origin, origin)[1]
  if entry and entry[2][1] == 'due' and not is_pending(event_stream, group, origin) then
    redis.pcall('XDEL', event_stream, origin)
  end
end

-- Messages that were put into the queue are no longer delayed.
local function forget_delayed(origins)
  redis.call('ZREM', delayed, unpack(origins))
  redis.call('HDEL', delayed_bodies, unpack(origins))
  for _, origin in ipairs(origins) do delete_nudge(origin) end
end
