-- Deletes messages that nobody handles: waiting, delayed and dead ones. A message that is running stays.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   dead_letters
--   dead_letter_bodies
--   message_queue
--   lanes
--   lane_bodies
--   cancelled
--   held
-- ARGV
--   group
--   budget: number    bytes after which no further message is deleted
--   ids...            of its entry for a waiting message, of its origin for another one
-- Returns the number of deleted messages, the number of ids that were looked at, deduplication key and origin
-- of each deduplicated request that was deleted, in turn, and those of the ids that are neither an entry nor
-- a delayed or dead message.

-- include shared/fields.lua
-- include shared/is_pending.lua
-- include shared/lanes/hold.lua
-- include shared/removed_requests.lua

local count, bytes, missing = 0, 0, {}

-- A message has been removed. The next one of its ordering key goes on.
local function end_message(fields, id)
  note_removed(fields, id)
  local key = get_field(fields, 'ordering_key')
  if key then release(key, get_field(fields, 'origin') or id) end
end

-- Returns the number of deleted messages, nil when there is no such entry.
local function remove_entry(id)
  local entry = redis.call('XRANGE', event_stream, id, id)[1]
  if not entry then return nil end
  if is_pending(event_stream, group, id) then return 0 end
  bytes = bytes + bytes_of(entry[2])
  -- The id goes first: a legacy consumer fails on an id without an entry.
  redis.call('LREM', message_queue, -1, id)
  local removed = redis.call('XDEL', event_stream, id)
  -- A nudge, see shared/enqueue/delayed.lua, is no message.
  if entry[2][1] == 'due' then return 0 end
  end_message(entry[2], id)
  return removed
end

local function remove_body(index, hash, id)
  if redis.call('ZREM', index, id) == 0 then return 0 end
  local body = redis.call('HGET', hash, id) or ''
  bytes = bytes + #body
  redis.call('HDEL', hash, id)
  if index == dead_letters then
    free_keys({ id }, 1, 1)
    return 1
  end
  local is_json, fields = pcall(cjson.decode, body)
  if is_json and are_fields(fields) then end_message(fields, id) end
  return 1
end

for i = ids_at, #ARGV do
  local id = ARGV[i]
  if bytes >= budget then return { count, i - ids_at, removed_requests, missing } end
  local removed = remove_body(delayed, delayed_bodies, id) + remove_body(dead_letters, dead_letter_bodies, id)
  local entries = remove_entry(id)
  if removed + (entries or 0) > 0 then count = count + 1
  elseif not entries then missing[#missing + 1] = id end
end
return { count, #ARGV - ids_at + 1, removed_requests, missing }
