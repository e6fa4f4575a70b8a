-- Marks requests that a worker may run as cancelled. The worker reads the marks, see `take_cancelled`. A marked
-- request that waits behind its ordering key is dropped when it is its turn.
-- KEYS
--   cancelled

-- A request gets no mark when its deadline is nearer than this. Its handler is notified at the deadline. One
-- with an ordering key may not run yet, and the mark tells that it need not.
local SOON_MS = 500
local MAX_MARKS = 10000

-- Returns whether a mark is of use until `deadline`, ms since 1970.
local function needs_mark(deadline, ordering_key, now)
  return deadline > now + (ordering_key == '' and SOON_MS or 0)
end

-- `marks` are deadline and id of each request in turn. Redis may refuse them when its memory is full. Then the
-- worker learns nothing; its reply is dropped.
local function mark_cancelled(marks, now)
  if #marks == 0 or type(redis.pcall('ZADD', cancelled, unpack(marks))) ~= 'number' then return end
  redis.call('ZREMRANGEBYSCORE', cancelled, '-inf', now)
  redis.call('ZREMRANGEBYRANK', cancelled, 0, -MAX_MARKS - 1)
  local last = redis.call('ZRANGE', cancelled, -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', cancelled, string.format('%.0f', last))
end
