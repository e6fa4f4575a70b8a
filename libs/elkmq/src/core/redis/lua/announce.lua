-- A worker says who it is. It also drops members that have said nothing for longer than they said they would: some at
-- each call, so that a call is short with many workers too.
-- KEYS: 1 workers, hash: worker -> JSON
-- ARGV: 1 worker  2 what it says, a JSON object with at least one member  3 after which silence it has gone, ms
--       4 cursor, '0' to begin
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
