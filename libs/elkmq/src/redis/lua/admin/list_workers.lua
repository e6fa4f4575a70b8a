-- Reads the workers of a queue that have not been silent for too long.
-- KEYS
--   workers
-- Returns worker and JSON in turn.

-- include shared/is_live.lua
-- include shared/now_ms.lua

local now = now_ms()
local members, live = redis.call('HGETALL', workers), {}
for i = 1, #members, 2 do
  if is_live(members[i + 1], now) then
    live[#live + 1], live[#live + 2] = members[i], members[i + 1]
  end
end
return live
