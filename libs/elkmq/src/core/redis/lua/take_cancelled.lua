-- Tells a worker which of the requests that it runs nobody waits for any more, once.
-- KEYS: 1 cancelled, zset
-- ARGV: origins
-- Returns those that were cancelled.
local cancelled = {}
for _, origin in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], origin) == 1 then cancelled[#cancelled + 1] = origin end
end
return cancelled
