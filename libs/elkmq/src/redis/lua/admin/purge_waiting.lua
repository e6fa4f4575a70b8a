-- Deletes messages that no worker has taken, the oldest first, and nudges, which do not count. Legacy responses
-- stay.
-- KEYS
--   event_stream
--   message_queue
--   lanes
--   lane_bodies
--   cancelled
-- ARGV
--   group
--   first             id at which to begin, '' for the first one that waits
--   last              id of the last entry to look at
--   limit: number     how many entries to look at
--   budget: number    bytes after which no further entry is deleted
-- Returns the number of deleted messages, the id at which to go on, '' when there are no more, and
-- deduplication key and origin of each deduplicated request that was deleted, in turn.

-- include shared/fields.lua
-- include shared/lanes/release.lua
-- include shared/last_taken.lua
-- include shared/removed_requests.lua
-- include shared/stream_ids.lua

-- Workers may have taken more since the last call.
local start = id_after(last_taken(event_stream, group))
if first == '' or is_id_before(first, start) then first = start end
if is_id_before(last, first) then return { 0, '', {} } end

local count, bytes = 0, 0
for _ = 1, limit do
  local entry = redis.call('XRANGE', event_stream, first, last, 'COUNT', 1)[1]
  if not entry then return { count, '', removed_requests } end
  local id, fields = entry[1], entry[2]
  if fields[1] == 'due' then
    redis.call('XDEL', event_stream, id)
  elseif not (fields[1] == 'response' and #fields == 2) then
    bytes = bytes + bytes_of(fields)
    redis.call('LREM', message_queue, -1, id)
    count = count + redis.call('XDEL', event_stream, id)
    note_removed(fields, id)
    local key = get_field(fields, 'ordering_key')
    if key then release(key, get_field(fields, 'origin') or id) end
  end
  first = id_after(id)
  if bytes >= budget then break end
end
return { count, first, removed_requests }
