-- Cancels requests. A request that is delayed, or that no worker has taken, is deleted. Every other request
-- is marked, and the worker that runs it reads the mark. A request that was put back into the queue has
-- another id by now. The script cannot tell it from a finished one, so it marks both. There are few marks,
-- and each is deleted when it is of no more use.
-- KEYS: 1 event stream  2 delayed, zset  3 delayed, hash
--       4 cancelled, zset: origin by until when it is of use, ms
--       5 message queue, when legacy consumers may take the requests
-- ARGV: 1 group  2.. per request: id, deadline in ms
-- Returns the number of requests that were deleted.

-- include shared/end_attempt.lua

-- A request gets no mark when its deadline is nearer than this, ms. Its handler is told at the deadline.
local SOON = 500
local MOST = 10000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local withdrawn, marks = 0, {}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local gone = 0
  if KEYS[5] then
    -- The one that takes the id out of the message queue has the request. So the id goes first: a legacy
    -- consumer fails on an id without an entry.
    if redis.call('LREM', KEYS[5], 1, id) == 1 then
      if end_attempt(KEYS[1], ARGV[1], id) then gone = 1 end
    end
  else
    local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], id, id, 1)
    -- XPENDING fails when there is no group. Then nobody has taken anything.
    if pending.err or #pending == 0 then gone = redis.call('XDEL', KEYS[1], id) end
  end
  -- The id is also the origin. A delayed request can be in both places, see put_off in enqueue_with_options.
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

-- Redis may refuse the marks when its memory is full. Then the worker learns nothing; its reply is dropped.
if #marks > 0 and type(redis.pcall('ZADD', KEYS[4], unpack(marks))) == 'number' then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -MOST - 1)
  local last = redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', KEYS[4], string.format('%.0f', last))
end
return withdrawn
