-- Withdraws requests that no worker has taken, and those that are put off. The others are marked, so that the worker that
-- runs one learns of it. One that was put back into the queue has another id by now and cannot be told from one that has
-- ended: it is marked too. Marks are few, and go when they are of no use.
-- KEYS: 1 event stream  2 delayed, zset  3 delayed, hash  4 cancelled, zset: origin by until when it is of use, ms
--       6 message queue, when original consumers compete for the requests
-- ARGV: 1 group  2.. per request: id, deadline in ms
-- Returns the number of requests withdrawn.

-- Nearer to its deadline than this, ms, a worker learns of that as soon.
local SOON = 500
local MOST = 10000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local withdrawn, marks = 0, {}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local gone = 0
  if KEYS[5] then
    -- Whoever takes the id out of the list has the request. Original consumers fail on an id without an entry.
    if redis.call('LREM', KEYS[5], 1, id) == 1 then
      gone = redis.call('XDEL', KEYS[1], id)
      redis.pcall('XACK', KEYS[1], ARGV[1], id)
    end
  else
    local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], id, id, 1)
    -- An error: there is no group, so nobody has taken anything.
    if pending.err or #pending == 0 then gone = redis.call('XDEL', KEYS[1], id) end
  end
  -- The id is the origin too. Both can be there: see the nudge in enqueue.
  if redis.call('ZREM', KEYS[2], id) == 1 then
    redis.call('HDEL', KEYS[3], id)
    gone = 1
  end
  withdrawn = withdrawn + gone
  if gone == 0 and tonumber(ARGV[i + 1]) > now + SOON then
    marks[#marks + 1] = ARGV[i + 1]
    marks[#marks + 1] = id
  end
end

-- Without memory Redis may refuse it: then the worker learns nothing, and its reply is dropped.
if #marks > 0 and type(redis.pcall('ZADD', KEYS[4], unpack(marks))) == 'number' then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -MOST - 1)
  local last = redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', KEYS[4], string.format('%.0f', last))
end
return withdrawn
