-- Reads and deletes the marks of cancelled requests, for the worker that runs them.
-- KEYS: 1 cancelled, zset
-- ARGV: origins
-- Returns the origins that were cancelled.
local cancelled = {}
for _, origin in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], origin) == 1 then cancelled[#cancelled + 1] = origin end
end
return cancelled
