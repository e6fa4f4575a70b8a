-- Looks at the entries that are older than the group, a page a call. Messages of this package go into the
-- queue. Legacy entries were taken by legacy consumers: they are deleted when their time has passed. When
-- everything that was there before the group has been handed out, the history is deleted.
-- KEYS
--   event_stream
--   history
--   leftovers
--   lanes
-- ARGV
--   group
--   kept_longer: number    how much longer than its timeout an entry is kept, ms
--   limit: number     how many entries at the most
-- Returns 1 when there is more to look at, else 0.

-- include shared/deletable_at.lua
-- include shared/fields.lua
-- include shared/group_info.lua
-- include shared/lanes/lane.lua
-- include shared/now_ms.lua
-- include shared/page.lua

local now = now_ms()
local from, start, until_id = unpack(redis.call('HMGET', history, 'from', 'start', 'until'))
if not until_id then return 0 end

if not from then
  local info = group_info(event_stream, group)
  if info then
    -- Nothing may be left between the entry that was delivered last and the end of the history.
    local next_id = id_after(info['last-delivered-id'])
    local left = redis.call('XRANGE', event_stream, next_id, until_id, 'COUNT', 1)
    local pending = redis.call('XPENDING', event_stream, group, '-', until_id, 1)
    if #left == 0 and #pending == 0 then redis.call('DEL', history) end
  end
  return 0
end

local entries, is_end = read_page(event_stream, from, start, limit)
for _, entry in ipairs(entries) do
  local id, fields = entry[1], entry[2]
  local event = get_field(fields, 'event')
  if get_field(fields, 'due') and not event then
    redis.call('XDEL', event_stream, id)
  elseif #fields > 2 and #fields < MAX_FIELDS and not get_field(fields, 'listed') then
    redis.call('XDEL', event_stream, id)
    if not get_field(fields, 'origin') then set_field(fields, 'origin', id) end
    local again = redis.call('XADD', event_stream, '*', unpack(fields))
    local key = get_field(fields, 'ordering_key')
    if key then move_head(key, get_field(fields, 'origin'), again) end
  else
    local deletable = deletable_at(id, event or get_field(fields, 'response') or '')
    if deletable < now then redis.call('XDEL', event_stream, id)
    else redis.call('ZADD', leftovers, string.format('%.0f', deletable), id) end
  end
end
if is_end then redis.call('HDEL', history, 'from', 'start')
else redis.call('HSET', history, 'from', id_after(entries[#entries][1])) end
return 1
