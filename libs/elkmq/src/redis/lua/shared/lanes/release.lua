-- Lets the next message of an ordering key go on.
-- KEYS
--   event_stream
--   lane_bodies       hash: 'NUMBER KEY' -> fields of a message that waits, packed by cmsgpack
--   cancelled

-- include shared/fields.lua
-- include shared/lanes/field_of.lua
-- include shared/lanes/lane.lua
-- include shared/now_ms.lua

-- The most requests that a script drops, of all keys that it releases. This takes about a millisecond.
local MAX_DROPPED = 100
local dropped = 0

-- Returns whether a request that waits has expired, or has been cancelled. The callers of a deduplicated
-- request may wait for longer than the first one, so it does not expire here. It is cancelled when the last
-- one has gone. Nobody joins it then, because `leave_request` deletes its record. A mark that cannot be read,
-- because somebody has put something else in its place, is no mark.
local function is_useless(fields, origin)
  local reply_to = get_field(fields, 'reply_to')
  if not reply_to or reply_to == '' then return false end
  local timeout = string.match(fields[2], '"timeout":%s*(%d+)')
  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))
  local is_shared = get_field(fields, 'deduplication')
  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end
  return redis.pcall('ZREM', cancelled, origin) == 1
end

-- The head of a lane has ended for good. The next message that waits becomes the head. Nothing happens when
-- another message is the head. Returns whether the lane has changed.
local function release(key, origin)
  local text = redis.call('HGET', lanes, key)
  local head, _, first, last = parse_lane(text)
  if head ~= origin then return false end
  if first > last then
    redis.call('HDEL', lanes, key)
    return true
  end
  for number = first, last do
    local field = field_of(key, number)
    local body = redis.call('HGET', lane_bodies, field)
    if body then
      local fields = cmsgpack.unpack(body)
      local next_origin = get_field(fields, 'origin')
      -- An error of the look must not cost the message, so it comes before the deletion.
      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)
      redis.call('HDEL', lane_bodies, field)
      if is_dropped then
        dropped = dropped + 1
      else
        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)
        if number == last then count_blocked(-1) end
        return true
      end
    elseif redis.call('HLEN', lane_bodies) == 0 then
      -- Somebody has deleted the hash. There is nothing to look for.
      break
    end
  end
  count_blocked(-1)
  redis.call('HDEL', lanes, key)
  return true
end
