-- Stores the events of a schedule that is due, and notes its next occurrence. Many processes may try it: the
-- first one does it.
-- KEYS
--   event_stream
--   schedules
--   schedules_due
-- ARGV
--   name
--   definition        as it was read
--   due: number       its occurrence as it was read, ms since 1970
--   next_due: number      the next one; 0 when there is none
--   events...         per event: event, headers
--                     both are JSON
-- Returns 1. 0 when another process was first, or the schedule is another one now. When it is not due yet on
-- the clock of Redis, minus the time until then, ms.

-- include shared/now_ms.lua

local entry = redis.call('HGET', schedules, name)
if not entry or string.match(entry, '^%d+ (.*)$') ~= definition then return 0 end
if tonumber(redis.call('ZSCORE', schedules_due, name) or 0) ~= due then return 0 end
if now_ms() < due then return now_ms() - due end
-- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
for i = events_at, #ARGV, 2 do
  redis.call('XADD', event_stream, '*', 'event', ARGV[i], 'reply_to', '', 'headers', ARGV[i + 1])
end
if next_due > 0 then redis.call('ZADD', schedules_due, string.format('%.0f', next_due), name)
else redis.call('ZREM', schedules_due, name) end
return 1
