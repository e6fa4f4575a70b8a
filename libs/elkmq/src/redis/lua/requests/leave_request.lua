-- Removes a caller that does not wait any more from a deduplicated request. When it was the last one, the
-- request is deleted, unless a worker has taken it. One that waits behind its ordering key is deleted when it
-- is its turn: `cancel` marks it. The key is free again when the request is deleted or the window is over.
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
--   ordering_key      '' when the request has none
--   waiter            client and request uuid of the caller, joined by a blank
-- Returns 1 when nobody waits any more for a request that was not deleted, else 0.

-- include shared/delete_untaken.lua
-- include shared/fields.lua
-- include shared/lanes/field_of.lua
-- include shared/lanes/release.lua
-- include shared/now_ms.lua

-- One call looks at this number of messages of the lane at the most. It takes about a millisecond.
local MAX_LOOKED = 1000

-- Returns whether the request waits behind another message of its ordering key.
local function is_behind()
  if ordering_key == '' then return false end
  local head, _, from, to = parse_lane(redis.call('HGET', lanes, ordering_key))
  if not head then return false end
  for number = from, math.min(to, from + MAX_LOOKED - 1) do
    local body = redis.call('HGET', lane_bodies, field_of(ordering_key, number))
    if body and get_field(cmsgpack.unpack(body), 'origin') == origin then return true end
  end
  return false
end

local first, waiters, ends = unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ends'))
if first ~= origin then return 0 end
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
if is_gone and ordering_key ~= '' then release(ordering_key, origin) end
-- A request in flight may never be answered. After the window a new caller must not wait for it.
if is_gone or (tonumber(ends) or 0) <= now_ms() or is_behind() then redis.call('DEL', record) end
return is_gone and 0 or 1
