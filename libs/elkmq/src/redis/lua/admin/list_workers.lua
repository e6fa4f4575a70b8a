-- Reads the workers of a queue that have not been silent for too long.
-- KEYS: 1 workers, hash: worker -> JSON
-- Returns worker and JSON in turn.

-- include shared/is_live.lua

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local members, live = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #members, 2 do
  if is_live(members[i + 1], now) then
    live[#live + 1] = members[i]
    live[#live + 1] = members[i + 1]
  end
end
return live
