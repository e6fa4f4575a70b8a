-- Deletes messages that wait behind another one of their ordering key. Those behind them wait on. A number in
-- the middle of a lane stays without a message; `release` passes over it.
-- KEYS
--   lanes
--   lane_bodies
-- ARGV
--   budget: number    bytes after which no further message is deleted
--   messages...       per message: field, origin
--                     `field` is its field in the hash. Another message with this field stays.
-- Returns three values: the number of deleted messages, the number of messages that were looked at, and
-- deduplication key and origin of each deduplicated request that was deleted, in turn.

-- include shared/fields.lua
-- include shared/lanes/field_of.lua
-- include shared/lanes/lane.lua
-- include shared/removed_requests.lua

-- The most numbers without a message that one call passes over, of all keys. This takes about a millisecond.
local MAX_PASSED = 1000
local passed = 0

-- Returns whether there is no message with this number.
local function is_free(key, number)
  local field = field_of(key, number)
  if passed >= MAX_PASSED or redis.call('HSTRLEN', lane_bodies, field) > 0 then return false end
  passed = passed + 1
  return true
end

-- The numbers of the lane begin and end with a message that waits.
local function shorten(key)
  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))
  if not head or first > last then return end
  local old_first, old_last = first, last
  while first <= last and is_free(key, first) do first = first + 1 end
  while first <= last and is_free(key, last) do last = last - 1 end
  if first == old_first and last == old_last then return end
  set_lane(key, head, entry, first, last)
  if first > last then count_blocked(-1) end
end

-- Returns the bytes of the message, or nil when it does not wait there any more.
local function remove_body(field, origin)
  local body = redis.call('HGET', lane_bodies, field)
  if not body then return nil end
  local is_packed, fields = pcall(cmsgpack.unpack, body)
  if not is_packed or not are_fields(fields) or get_field(fields, 'origin') ~= origin then return nil end
  redis.call('HDEL', lane_bodies, field)
  note_removed(fields, origin)
  local key = string.match(field, '^%d+ (.+)$')
  if key then shorten(key) end
  return #body
end

local count, bytes = 0, 0
for i = messages_at, #ARGV, 2 do
  if bytes >= budget then return { count, (i - messages_at) / 2, removed_requests } end
  local removed = remove_body(ARGV[i], ARGV[i + 1])
  if removed then count, bytes = count + 1, bytes + removed end
end
return { count, (#ARGV - messages_at + 1) / 2, removed_requests }
