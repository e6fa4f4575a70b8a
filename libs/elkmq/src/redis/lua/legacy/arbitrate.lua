-- Decides whether this worker or a legacy consumer has an entry. The one that takes its id out of the message
-- queue has it. An entry that the worker has won gets 2 as its count of deliveries, so that it does not look
-- like an entry that a legacy consumer has taken.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 consumer  3.. per entry: id, and the time from which it can be deleted, ms, when a
--       legacy consumer has it; '' to only look
-- Returns per entry: 1 it is this consumer's, 0 its id is not in the message queue, -1 it is not pending for
-- the consumer any more.

-- include shared/end_attempt.lua

local stream, list, group, consumer = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

-- This read fails on a key of another type, before the script has written anything.
redis.call('ZCARD', KEYS[3])

-- A long message queue is not searched to its end for each id. The next ids are at its tail. An id that is
-- further away is found when it comes near the tail, see clean_list.
local NEAR = 1000
local near
if redis.call('LLEN', list) > NEAR then
  near = {}
  for _, id in ipairs(redis.call('LRANGE', list, -NEAR, -1)) do near[id] = true end
end
local function take(id)
  return (not near or near[id]) and redis.call('LREM', list, -1, id) == 1
end

local results = {}
for i = 3, #ARGV, 2 do
  local id, deletable = ARGV[i], ARGV[i + 1]
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  local result = 0
  if not pending or pending[2] ~= consumer then
    result = -1
  elseif pending[4] > 1 then
    -- An earlier call has won it, and its answer was lost.
    result = 1
  elseif take(id) then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', 2, 'JUSTID')
    redis.call('ZREM', KEYS[3], id)
    result = 1
  elseif deletable ~= '' then
    redis.call('ZADD', KEYS[3], deletable, id)
    acknowledge_attempt(stream, group, id)
  end
  results[#results + 1] = result
end
return results
