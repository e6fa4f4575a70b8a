-- Reads the rates of some minutes. It only reads.
-- KEYS
--   rates
-- ARGV
--   first: number     the first minute since 1970, or 0: `count` minutes up to the last one
--   last: number      the last minute since 1970, or 0: the minute now
--   count: number     how many minutes at the most, 1 to 2880
-- Returns the first and the last minute, and for each the text of its field: '' when nothing was counted.
-- More minutes than `count` are left off.

-- include shared/now_ms.lua
-- include shared/rate_minutes.lua

if last == 0 then last = minute_of(now_ms()) end
if first == 0 then first = last - count + 1 end
local fields = {}
for minute = first, math.min(last, first + count - 1) do fields[#fields + 1] = field_of(minute) end
if #fields == 0 then return { first, last } end
local texts = redis.call('HMGET', rates, unpack(fields))
for i, text in ipairs(texts) do
  if not text or parse_minute(text) ~= first + i - 1 then texts[i] = '' end
end
return { first, last, unpack(texts) }
