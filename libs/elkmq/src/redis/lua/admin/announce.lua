-- Stores the description that a worker gives of itself. Each call also deletes some of the workers that have
-- been silent for too long. It looks at few, so it is short even with many workers.
-- KEYS: 1 workers, hash: worker -> JSON
-- ARGV: 1 worker  2 its description, a JSON object with at least one member
--       3 TTL of the description, ms: a worker that is silent for longer has gone  4 cursor, '0' to begin
-- Returns the next cursor.

-- include shared/is_live.lua

local workers, worker, ttl = KEYS[1], ARGV[1], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', workers, worker, string.format('{"seen":%.0f,"ttl":%.0f,', now, ttl) .. string.sub(ARGV[2], 2))
if redis.call('PTTL', workers) < ttl then redis.call('PEXPIRE', workers, ttl) end
local page = redis.call('HSCAN', workers, ARGV[4], 'COUNT', 10)
for i = 1, #page[2], 2 do
  if not is_live(page[2][i + 1], now) then redis.call('HDEL', workers, page[2][i]) end
end
return page[1]
