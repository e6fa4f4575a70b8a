-- Ends an attempt by delaying its message. The message comes again when it is due, as another attempt.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
-- ARGV
--   group
--   id                id of the entry
--   origin
--   ordering_key      '' when the message has none
--   delay: number     until the next attempt, ms
--   fields            JSON array of the fields of the next entry, name and value in turn
-- Returns 1, or 0 when the worker does not own the entry any more.

-- include shared/end_attempt.lua
-- include shared/lanes/lane.lua
-- include shared/now_ms.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('ZCARD', delayed)
redis.call('HLEN', delayed_bodies)
if not end_attempt(event_stream, group, id) then return 0 end
-- The begun millisecond counts, so that no message is early.
local due = now_ms() + 1 + delay
redis.call('ZADD', delayed, string.format('%.0f', due), origin)
redis.call('HSET', delayed_bodies, origin, fields)
if ordering_key ~= '' then move_head(ordering_key, origin, DELAYED) end
return 1
