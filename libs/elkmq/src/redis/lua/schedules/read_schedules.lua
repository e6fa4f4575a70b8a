-- Reads the schedules of a queue.
-- KEYS
--   schedules
--   schedules_due
-- Returns the time of Redis, ms since 1970, and for each schedule in turn: its name, its entry, and the time
-- of its next occurrence or '' when there is none. The entry is the time of its declaration and its
-- definition; of a schedule that somebody has removed it is only the time of that.

-- include shared/now_ms.lua

local answer = { string.format('%.0f', now_ms()) }
local fields = redis.call('HGETALL', schedules)
for i = 1, #fields, 2 do
  answer[#answer + 1] = fields[i]
  answer[#answer + 1] = fields[i + 1]
  answer[#answer + 1] = redis.call('ZSCORE', schedules_due, fields[i]) or ''
end
return answer
