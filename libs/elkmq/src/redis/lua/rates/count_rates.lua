-- Adds what a process has counted to the rates of the queue: to the minute that it is now on the clock of
-- Redis. Where the queue is gone, it does nothing.
-- KEYS
--   event_stream
--   rates
-- ARGV
--   stored: number    messages
--   handled: number
--   retried: number
--   dead: number
--   expired: number
--   total: number     time until handled of the handled messages together, ms
--   longest: number   the longest of these times, ms
-- Returns nothing.

-- include shared/now_ms.lua
-- include shared/rate_minutes.lua

if redis.call('EXISTS', event_stream) == 0 then return end
local minute = minute_of(now_ms())
local added = { stored, handled, retried, dead, expired, total }
local known, sums, before = parse_minute(redis.call('HGET', rates, field_of(minute)))
-- A minute of another round of the ring is too old.
if known == minute then
  for i, sum in ipairs(sums) do added[i] = added[i] + sum end
  longest = math.max(longest, before)
end
added[#added + 1] = longest
local texts = { string.format('%.0f', minute) }
for i, number in ipairs(added) do texts[i + 1] = string.format('%.0f', number) end
redis.call('HSET', rates, field_of(minute), table.concat(texts, ' '))
redis.call('PEXPIRE', rates, KEPT_MINUTES * 60000)
