-- Declares a schedule. The same definition again changes only the time of its declaration.
-- KEYS
--   event_stream
--   schedules
--   schedules_due
-- ARGV
--   name
--   definition        JSON
--   next_due: number      its first occurrence after the time of Redis that the caller has read, ms since 1970
--   is_lost: boolean  the schedule had been declared before: it stays away when somebody has removed it
-- Returns 1 when the schedule is new or has another definition than before, else 0.

-- include shared/now_ms.lua

local before = redis.call('HGET', schedules, name)
local now = string.format('%.0f', now_ms())
-- The queue of a subscription that was removed has no stream any more, and stays away.
if is_lost and (before or redis.call('EXISTS', event_stream) == 0) then return 0 end
local is_same = before and string.match(before, '^%d+ (.*)$') == definition
if is_same and redis.call('ZSCORE', schedules_due, name) then
  redis.call('HSET', schedules, name, now .. ' ' .. definition)
  return 0
end
redis.call('HSET', schedules, name, now .. ' ' .. definition)
redis.call('ZADD', schedules_due, string.format('%.0f', next_due), name)
return 1
