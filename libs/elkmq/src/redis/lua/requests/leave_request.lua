-- Removes a caller that does not wait any more from a deduplicated request. When it was the last one, the
-- request is deleted, unless a worker has taken it or it waits behind its ordering key. Then it is marked: the
-- worker reads the mark, and the one that waits is deleted when it is its turn. All this is one script, so
-- nobody can join in between. The key is free again when nobody will answer the request, or the window is
-- over.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
--   lane_bodies
--   cancelled
--   record            record of the key, hash
-- ARGV
--   group
--   origin
--   ordering_key      that of the caller, '' when it has none. It counts for a record of an earlier version,
--                     which does not have the one of the request
--   deadline: number  when the request expires for the caller, ms since 1970
--   waiter            client and request uuid of the caller, joined by a blank
-- Returns the number of requests that were deleted, 0 or 1.

-- include shared/delete_untaken.lua
-- include shared/fields.lua
-- include shared/lanes/field_of.lua
-- include shared/lanes/release.lua
-- include shared/mark_cancelled.lua
-- include shared/now_ms.lua

-- One call looks at this number of messages of the lane at the most. It takes about a millisecond.
local MAX_LOOKED = 1000

local first, waiters, ends, own_key, expires, count =
  unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ends', 'ordering_key', 'expires', 'count'))
if first ~= origin then return 0 end
-- The callers of one request may have given different ordering keys. That of the first one counts.
ordering_key = own_key or ordering_key

-- Returns whether the request waits behind another message of its ordering key. When there are too many to
-- look at, it may wait there, and its record must not keep it: nobody would answer those who join.
local function is_behind()
  -- A request that has been answered does not wait, and its replies are for those who ask later.
  if ordering_key == '' or count then return false end
  local head, _, from, to = parse_lane(redis.call('HGET', lanes, ordering_key))
  if not head or head == origin then return false end
  for number = from, math.min(to, from + MAX_LOOKED - 1) do
    local body = redis.call('HGET', lane_bodies, field_of(ordering_key, number))
    if body and get_field(cmsgpack.unpack(body), 'origin') == origin then return true end
  end
  return to - from >= MAX_LOOKED
end

local others = {}
for client, request in string.gmatch(waiters, '(%S+) (%S+)') do
  local other = client .. ' ' .. request
  if other ~= waiter then others[#others + 1] = other end
end
redis.call('HSET', record, 'waiters', table.concat(others, ' '))
if #others > 0 then return 0 end
local is_gone = delete_untaken(event_stream, group, origin)
-- The origin is also the id of the nudge, if a delayed request has one.
if redis.call('ZREM', delayed, origin) == 1 then
  redis.call('HDEL', delayed_bodies, origin)
  is_gone = true
end
local now = now_ms()
-- A request in flight may never be answered. After the window a new caller must not wait for it.
if is_gone or (tonumber(ends) or 0) <= now or is_behind() then redis.call('DEL', record) end
if is_gone then
  if ordering_key ~= '' then release(ordering_key, origin) end
  return 1
end
-- The caller may have joined with a shorter timeout than that of the request.
local last = math.max(deadline, tonumber(expires) or 0)
if needs_mark(last, ordering_key, now) then mark_cancelled({ string.format('%.0f', last), origin }, now) end
return 0
