-- Reads and deletes the marks of cancelled requests, for the worker that runs them.
-- KEYS
--   cancelled
-- ARGV
--   origins...
-- Returns the origins that were cancelled.
local taken = {}
for i = origins_at, #ARGV do
  if redis.call('ZREM', cancelled, ARGV[i]) == 1 then taken[#taken + 1] = ARGV[i] end
end
return taken
