-- Ends attempts by delaying their messages. Each message comes again when it is due, as another attempt.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
-- ARGV
--   group
--   attempts...       per attempt: id, origin, ordering_key, delay: number, fields
--                     `id` is that of its entry. `ordering_key` is '' when the message has none. `delay` is
--                     the time until the next attempt, ms. `fields` is a JSON array of the fields of the
--                     next entry, name and value in turn
-- Returns the ids of the attempts whose worker does not own the entry any more.

-- include shared/end_attempt.lua
-- include shared/lanes/lane.lua
-- include shared/now_ms.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('ZCARD', delayed)
redis.call('HLEN', delayed_bodies)
local lost = {}
for i = attempts_at, #ARGV, 5 do
  local id, origin, ordering_key, delay, fields = unpack(ARGV, i, i + 4)
  if end_attempt(event_stream, group, id) then
    -- The begun millisecond counts, so that no message is early.
    redis.call('ZADD', delayed, string.format('%.0f', now_ms() + 1 + delay), origin)
    redis.call('HSET', delayed_bodies, origin, fields)
    if ordering_key ~= '' then move_head(ordering_key, origin, DELAYED) end
  else
    lost[#lost + 1] = id
  end
end
return lost
