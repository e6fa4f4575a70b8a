-- Withdraws requests that no worker has taken, and those that are put off.
-- KEYS: 1 event stream  2 delayed, zset  3 delayed, hash
-- ARGV: 1 group  2.. ids
-- Returns the number of requests withdrawn.
local withdrawn = 0
for i = 2, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  local gone = 0
  -- An error: there is no group, so nobody has taken anything.
  if pending.err or #pending == 0 then gone = redis.call('XDEL', KEYS[1], ARGV[i]) end
  -- The id is the origin too. Both can be there: see the nudge in enqueue.
  if redis.call('ZREM', KEYS[2], ARGV[i]) == 1 then
    redis.call('HDEL', KEYS[3], ARGV[i])
    gone = 1
  end
  withdrawn = withdrawn + gone
end
return withdrawn
