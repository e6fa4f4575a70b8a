-- The deduplicated requests that a script has removed. Their records are not among its keys, so
-- `forget_requests` deletes these afterwards.

-- include shared/fields.lua

-- Deduplication key and origin of each request in turn.
local removed_requests = {}

-- Notes a message that has been removed, if it was a deduplicated request. `id` is that of its entry.
local function note_removed(fields, id)
  local key = get_field(fields, 'deduplication')
  if not key then return end
  local next = #removed_requests + 1
  removed_requests[next], removed_requests[next + 1] = key, get_field(fields, 'origin') or id
end
