-- Deletes what has waited longest in the queue of a subscription, beyond its retention: entries of the
-- stream, and the first messages of busy lanes. Messages that a worker has taken or that are delayed stay.
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
--   limit: number     how many entries are looked at, and how many messages are deleted
--   budget: number    bytes after which no further message is read or deleted
--   spared: number    how many messages wait in busy lanes that are for later calls. Because of these, nothing
--                     is deleted from the stream
--   keys...           of busy lanes whose messages may be deleted
-- Returns the number of deleted messages, and 1 when there may be more to delete, else 0.

-- include shared/fields.lua
-- include shared/lanes/busy.lua
-- include shared/lanes/field_of.lua
-- include shared/lanes/release.lua
-- include shared/last_taken.lua
-- include shared/now_ms.lua
-- include shared/stream_ids.lua

-- One call passes over this many numbers without a message at the most, of all lanes. It takes about a
-- millisecond.
local MAX_PASSED = 1000
-- One call looks at this many entries for nudges.
local MAX_AHEAD = 100

local taken = last_taken(event_stream, group)
local over = redis.call('XLEN', event_stream) + redis.call('HLEN', lane_bodies) - max
local now = now_ms()
local youngest = now - max_age
local count, bytes, looked, passed = 0, 0, 0, 0

-- Returns since when a message waits, ms. A later attempt waits since it came back into the queue: a worker
-- has taken the message before.
local function waits_since(id, fields)
  if get_field(fields, 'attempt') then return tonumber(string.match(id, '^%d+')) end
  local origin = get_field(fields, 'origin') or id
  return tonumber(get_field(fields, 'due') or string.match(origin, '^%d+')) or 0
end

-- Finds the first message of a lane: `lane.since` is since when it waits, nil without a message that can be
-- read.
local function find_first(lane)
  lane.since = nil
  while lane.first <= lane.last and passed < MAX_PASSED do
    local body = redis.call('HGET', lane_bodies, field_of(lane.key, lane.first))
    if body then
      local is_packed, fields = pcall(cmsgpack.unpack, body)
      local origin = is_packed and are_fields(fields) and get_field(fields, 'origin')
      lane.bytes, lane.since = #body, origin and waits_since(origin, fields)
      return
    end
    passed, lane.first = passed + 1, lane.first + 1
  end
end

local busy_lanes, read_bytes, has_unread = {}, 0, false
for i = keys_at, #ARGV do
  local key = ARGV[i]
  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))
  if head and first <= last and is_busy(entry, taken) then
    if read_bytes >= budget then
      spared, has_unread = spared + last - first + 1, true
    else
      local lane = { key = key, head = head, entry = entry, first = first, last = last, bytes = 0 }
      find_first(lane)
      read_bytes = read_bytes + lane.bytes
      busy_lanes[#busy_lanes + 1] = lane
    end
  end
end

-- Returns the lane whose first message has waited longest, nil when there is none.
local function find_oldest_lane()
  local oldest
  for _, lane in ipairs(busy_lanes) do
    if lane.since and (not oldest or lane.since < oldest.since) then oldest = lane end
  end
  return oldest
end

-- An entry that begins with `due` is a nudge, and holds no message.
local function is_nudge(fields) return fields[1] == 'due' end

local nudges = {}
-- A nudge does not count. It is deleted when its time has passed: workers of earlier versions leave it.
local function pass_nudge(id, fields)
  if nudges[id] then return end
  nudges[id], over = true, over - 1
  if (tonumber(fields[2]) or 0) <= now then redis.call('XDEL', event_stream, id) end
end

-- Looks for nudges behind the first messages, before one of these is deleted because there are too many.
local function pass_nudges()
  local from, read = id_after(taken), 0
  for _ = 1, MAX_AHEAD do
    if over <= 0 or read >= budget then return end
    local found = redis.call('XRANGE', event_stream, from, '+', 'COUNT', 1)[1]
    if not found then return end
    if is_nudge(found[2]) then pass_nudge(found[1], found[2]) end
    from, read = id_after(found[1]), read + bytes_of(found[2])
  end
end

local next_id = id_after(taken)
-- Returns the next message of the stream, nil when there is none.
local function find_entry()
  while looked < limit do
    local found = redis.call('XRANGE', event_stream, next_id, '+', 'COUNT', 1)[1]
    if not found then return nil end
    local id, fields = found[1], found[2]
    looked, next_id = looked + 1, id_after(id)
    if not is_nudge(fields) then return { id = id, fields = fields, since = waits_since(id, fields) } end
    pass_nudge(id, fields)
  end
end

local function delete_first(lane)
  redis.call('HDEL', lane_bodies, field_of(lane.key, lane.first))
  bytes = bytes + lane.bytes
  lane.first = lane.first + 1
  find_first(lane)
  set_lane(lane.key, lane.head, lane.entry, lane.first, lane.last)
  if lane.first > lane.last then count_blocked(-1) end
end

local function delete_entry(entry)
  redis.call('XDEL', event_stream, entry.id)
  bytes = bytes + bytes_of(entry.fields)
  local key = get_field(entry.fields, 'ordering_key')
  if not key or not release(key, get_field(entry.fields, 'origin') or entry.id) then return end
  -- Its head waited after all: a worker of an earlier version has put it back.
  for _, lane in ipairs(busy_lanes) do
    if lane.key == key then lane.since = nil end
  end
end

pass_nudges()
local entry
while count < limit and bytes < budget do
  entry = entry or find_entry()
  local lane = find_oldest_lane()
  local is_entry_due = entry and (over > spared or entry.since <= youngest)
  local is_lane_due = lane and (over > 0 or lane.since <= youngest)
  if is_lane_due and not (is_entry_due and entry.since < lane.since) then
    delete_first(lane)
  elseif is_entry_due then
    delete_entry(entry)
    entry = nil
  else
    break
  end
  count, over = count + 1, over - 1
end
if count == 0 then return { 0, 0 } end
redis.call('HINCRBY', trimmed, name, count)
local is_cut = count >= limit or looked >= limit or bytes >= budget or passed >= MAX_PASSED or has_unread
return { count, is_cut and 1 or 0 }
