-- Removes a caller that does not wait any more from a deduplicated request. When it was the last one, the
-- request is deleted, unless a worker has taken it. The key is free again when the request was deleted or the
-- window is over.
-- KEYS: 1 event stream  2 delayed, zset  3 delayed, hash  4 record of the key, hash
-- ARGV: 1 group  2 origin  3 client and request uuid, joined by a blank
-- Returns 1 when nobody waits any more for a request that a worker has taken, else 0.

local origin, waiters, ends = unpack(redis.pcall('HMGET', KEYS[4], 'origin', 'waiters', 'ends'))
if origin ~= ARGV[2] then return 0 end
local others = {}
for client, request in string.gmatch(waiters, '(%S+) (%S+)') do
  local waiter = client .. ' ' .. request
  if waiter ~= ARGV[3] then others[#others + 1] = waiter end
end
redis.call('HSET', KEYS[4], 'waiters', table.concat(others, ' '))
if #others > 0 then return 0 end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], origin, origin, 1)
local gone = 0
-- Without a group nobody has taken anything. A delayed request can be in both places, as in cancel.
if pending.err or #pending == 0 then gone = redis.call('XDEL', KEYS[1], origin) end
if redis.call('ZREM', KEYS[2], origin) == 1 then
  redis.call('HDEL', KEYS[3], origin)
  gone = 1
end
-- A request in flight may never be answered. After the window a new caller must not wait for it.
local time = redis.call('TIME')
if gone == 1 or (tonumber(ends) or 0) <= time[1] * 1000 + time[2] / 1000 then redis.call('DEL', KEYS[4]) end
return 1 - gone
