-- Looks at a page of the message queue, from its tail on, for ids that no worker finds by itself. The entry
-- of such an id is gone, or workers passed the entry over because its id came late. A late id is put into the
-- queue again.
-- KEYS
--   event_stream
--   message_queue
--   leftovers
-- ARGV
--   group
--   skip: number      how many ids at the tail are skipped
--   limit: number     how many ids to look at, at the most
-- Returns two values: the number of such ids, and the number of ids to skip for the next page, '' when there
-- is none. A script that has read many bytes leaves the rest of the page to the next call.

-- include shared/fields.lua
-- include shared/group_info.lua
-- include shared/page.lua

local info = group_info(event_stream, group)
-- Without a group there are only legacy clients, and the message queue is theirs.
if not info then return { 0, '' } end
local delivered = info['last-delivered-id']

-- Returns whether a worker finds the entry by itself.
local function is_found(id)
  return is_id_before(delivered, id) or #redis.call('XPENDING', event_stream, group, id, id, 1) > 0
end

local page = redis.call('LRANGE', message_queue, -skip - limit, -skip - 1)
local count, kept, bytes = 0, 0, 0
for _, id in ipairs(page) do
  if bytes >= MAX_BYTES then return { count, string.format('%d', skip) } end
  if not parts_of_id(id) then
    redis.call('LREM', message_queue, -1, id)
    count = count + 1
  elseif is_found(id) then
    kept = kept + 1
  else
    local entry = redis.call('XRANGE', event_stream, id, id)[1]
    redis.call('LREM', message_queue, -1, id)
    if entry and #entry[2] < MAX_FIELDS then
      local fields = entry[2]
      bytes = bytes + bytes_of(fields)
      redis.call('XDEL', event_stream, id)
      set_field(fields, 'origin', id)
      set_field(fields, 'listed', '1')
      local again = redis.call('XADD', event_stream, '*', unpack(fields))
      redis.call('RPUSH', message_queue, again)
      kept = kept + 1
      local deletable = redis.call('ZSCORE', leftovers, id)
      if deletable then
        redis.call('ZREM', leftovers, id)
        redis.call('ZADD', leftovers, deletable, again)
      end
    end
    count = count + 1
  end
end
return { count, #page < limit and '' or string.format('%d', skip + kept) }
