-- Withdraws requests that no worker has taken.
-- KEYS: 1 event stream
-- ARGV: 1 group  2.. ids
-- Returns the number of requests withdrawn.
local withdrawn = 0
for i = 2, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  -- An error: there is no group, so nobody has taken anything.
  if pending.err or #pending == 0 then withdrawn = withdrawn + redis.call('XDEL', KEYS[1], ARGV[i]) end
end
return withdrawn
