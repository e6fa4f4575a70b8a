-- Deletes legacy responses that nobody waits for any more, a page of the index a call. An index entry without
-- a response is deleted too.
-- KEYS
--   event_stream
--   response_stream
-- ARGV
--   group
--   kept_longer: number    how much longer than its timeout an entry is kept, ms
--   from              first id of the page in the index
--   limit: number     how many at the most
-- Returns two values: the number of deleted index entries, and the first id of the next page, '' at the end.

-- include shared/deletable_at.lua
-- include shared/now_ms.lua
-- include shared/page.lua

local SHORTEST_MS = 1000

local now = now_ms()
local deleted, size, count = 0, 0, 0
for _, entry in ipairs(redis.call('XRANGE', response_stream, from, '+', 'COUNT', limit)) do
  local id, body_id = entry[1], entry[2][2]
  -- This response is too young to be deleted. All that follow are younger.
  if now - string.match(id, '^%d+') - kept_longer < SHORTEST_MS then return { deleted, '' } end
  local is_id = string.match(body_id, '^%d+%-%d+$')
  local body = is_id and redis.call('XRANGE', event_stream, body_id, body_id)[1]
  local json = body and body[2][2] or ''
  size = size + #json
  if (is_id and not body) or deletable_at(id, json) <= now then
    redis.call('XDEL', response_stream, id)
    -- The index may name any entry, so only a response is deleted.
    if body and body[2][1] == 'response' then
      redis.call('XDEL', event_stream, body_id)
      redis.pcall('XACK', event_stream, group, body_id)
    end
    deleted = deleted + 1
  end
  count = count + 1
  if count == limit or size > MAX_BYTES then return { deleted, id_after(id) } end
end
return { deleted, '' }
