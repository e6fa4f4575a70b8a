-- Stores messages with an ordering key.
-- KEYS
--   event_stream
--   lane_bodies       hash: 'NUMBER KEY' -> fields of a message that waits, packed by cmsgpack

-- include shared/lanes/field_of.lua
-- include shared/lanes/lane.lua
-- include shared/make_id.lua

-- Stores a message: in the stream when it is the head, else behind those that wait. `origin` is the id that
-- the message has already, nil when it has none. Returns its id.
local function add_to_lane(key, fields, origin)
  -- An empty key is malformed. Its field of `lanes` is a count.
  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end
  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))
  if not head or head == origin then
    -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
    local id = redis.call('XADD', event_stream, '*', unpack(fields))
    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end
    return id
  end
  if not origin then
    origin = make_id()
    fields[#fields + 1], fields[#fields + 2] = 'origin', origin
  end
  if first > last then count_blocked(1) end
  last = last + 1
  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))
  set_lane(key, head, entry, first, last)
  return origin
end
