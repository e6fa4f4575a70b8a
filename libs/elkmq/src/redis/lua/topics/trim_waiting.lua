-- Deletes what has waited longest in the queue of a subscription, beyond its retention. Messages
-- that a worker has taken or that are delayed stay.
-- KEYS
--   event_stream
--   lanes
--   lane_bodies
--   cancelled
--   trimmed           hash: subscription -> number of messages that retention has deleted
-- ARGV
--   group
--   name              of the subscription
--   max: number       how many messages are kept
--   max_age: number   for how long a message may wait, ms
--   limit: number     how many entries are looked at
--   budget: number    bytes after which no further entry is deleted
-- Returns the number of deleted messages, and 1 when there may be more to delete, else 0.

-- include shared/fields.lua
-- include shared/lanes/release.lua
-- include shared/last_taken.lua
-- include shared/now_ms.lua
-- include shared/stream_ids.lua

-- Returns since when a message waits, ms. A later attempt waits since it came back into the queue: a worker
-- has taken the message before.
local function waits_since(id, fields)
  if get_field(fields, 'attempt') then return tonumber(string.match(id, '^%d+')) end
  local origin = get_field(fields, 'origin') or id
  return tonumber(get_field(fields, 'due') or string.match(origin, '^%d+')) or 0
end

local over = redis.call('XLEN', event_stream) + redis.call('HLEN', lane_bodies) - max
local youngest = now_ms() - max_age
local next_id = id_after(last_taken(event_stream, group))
local count, bytes, has_more = 0, 0, 0
for n = 1, limit do
  local entry = redis.call('XRANGE', event_stream, next_id, '+', 'COUNT', 1)[1]
  if not entry then break end
  local id, fields = entry[1], entry[2]
  if over <= 0 and waits_since(id, fields) > youngest then break end
  -- An entry that begins with `due` is a nudge, and holds no message.
  if fields[1] ~= 'due' and redis.call('XDEL', event_stream, id) == 1 then
    count, over, bytes = count + 1, over - 1, bytes + bytes_of(fields)
    local key = get_field(fields, 'ordering_key')
    if key then release(key, get_field(fields, 'origin') or id) end
  end
  next_id = id_after(id)
  if n == limit or bytes >= budget then
    has_more = count > 0 and 1 or 0
    break
  end
end
if count > 0 then redis.call('HINCRBY', trimmed, name, count) end
return { count, has_more }
