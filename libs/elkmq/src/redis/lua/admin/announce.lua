-- Stores the description that a worker gives of itself. Each call also deletes some of the workers that have
-- been silent for too long. It looks at few, so it is short even with many workers.
-- KEYS
--   workers
-- ARGV
--   worker            name of the worker
--   description       a JSON object with at least one member
--   ttl: number       TTL of the description, ms: a worker that is silent for longer has gone
--   cursor            where to look for workers that have gone, '0' to begin
-- Returns the next cursor.

-- include shared/is_live.lua
-- include shared/now_ms.lua

local now = now_ms()
local text = string.format('{"seen":%.0f,"ttl":%.0f,', now, ttl) .. string.sub(description, 2)
redis.call('HSET', workers, worker, text)
if redis.call('PTTL', workers) < ttl then redis.call('PEXPIRE', workers, ttl) end
local page = redis.call('HSCAN', workers, cursor, 'COUNT', 10)
for i = 1, #page[2], 2 do
  if not is_live(page[2][i + 1], now) then redis.call('HDEL', workers, page[2][i]) end
end
return page[1]
