-- Stores messages with an ordering key.
-- KEYS
--   event_stream
--   lane_bodies       hash: 'NUMBER KEY' -> fields of a message that waits, packed by cmsgpack
--   lane_ids          string with a TTL: counts the calls that make ids

-- include shared/lanes/lane.lua
-- include shared/now_ms.lua

local LANE_IDS_TTL_MS = 60000
local IDS_PER_NUMBER = 999
local id_number, ids_made = nil, IDS_PER_NUMBER

-- Returns an id that the stream never makes. An entry that is added and deleted would cost more than all the
-- rest of the script.
local function make_id()
  if ids_made == IDS_PER_NUMBER then
    id_number, ids_made = redis.call('INCRBY', lane_ids, 1), 0
    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)
  end
  ids_made = ids_made + 1
  return string.format('%.0f-1%011.0f%03.0f', now_ms(), id_number % 1e11, ids_made)
end

-- Stores a message: in the stream when it is the head, else behind those that wait. `origin` is the id that
-- the message has already, nil when it has none. Returns its id.
local function add_to_lane(key, fields, origin)
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
  redis.call('HSET', lane_bodies, string.format('%.0f %s', last, key), cmsgpack.pack(fields))
  set_lane(key, head, entry, first, last)
  return origin
end
