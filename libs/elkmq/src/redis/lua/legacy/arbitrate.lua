-- Decides whether this worker or a legacy consumer has an entry. The one that takes its id out of the message
-- queue has it. The count of deliveries says that the worker has won the entry. So it does not look like an
-- entry that a legacy consumer has taken.
-- KEYS
--   event_stream
--   message_queue
--   leftovers
-- ARGV
--   group
--   consumer
--   entries...        per entry: id, deletable
--                     `deletable` is the time from which it can be deleted, ms, when a legacy consumer has
--                     it; '' to only look.
-- Returns per entry: 1 it is this consumer's, 0 its id is not in the message queue, -1 it is not pending for
-- the consumer any more.

-- include shared/deliveries.lua
-- include shared/end_attempt.lua

-- This read fails on a key of another type, before the script has written anything.
redis.call('ZCARD', leftovers)

-- A long message queue is not searched to its end for each id. The next ids are at its tail. An id that is
-- further away is found when it comes near the tail, see clean_list.
local NEAR = 1000
local near
if redis.call('LLEN', message_queue) > NEAR then
  near = {}
  for _, id in ipairs(redis.call('LRANGE', message_queue, -NEAR, -1)) do near[id] = true end
end
local function take(id)
  return (not near or near[id]) and redis.call('LREM', message_queue, -1, id) == 1
end

local results = {}
for i = entries_at, #ARGV, 2 do
  local id, deletable = ARGV[i], ARGV[i + 1]
  local pending = redis.call('XPENDING', event_stream, group, id, id, 1)[1]
  local result = 0
  if not pending or pending[2] ~= consumer then
    result = -1
  elseif pending[4] >= WON then
    -- An earlier call has won it, and its answer was lost.
    result = 1
  elseif take(id) then
    redis.call('XCLAIM', event_stream, group, consumer, 0, id, 'RETRYCOUNT', WON, 'JUSTID')
    redis.call('ZREM', leftovers, id)
    result = 1
  elseif deletable ~= '' then
    redis.call('ZADD', leftovers, deletable, id)
    acknowledge_attempt(event_stream, group, id)
  end
  results[#results + 1] = result
end
return results
