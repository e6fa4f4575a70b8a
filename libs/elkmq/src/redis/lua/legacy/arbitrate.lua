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
local left = redis.call('LLEN', message_queue)
if left > NEAR then
  near = {}
  for _, id in ipairs(redis.call('LRANGE', message_queue, -NEAR, -1)) do near[id] = true end
end
-- A list that is empty now is not looked at. On Cluster, a key that has gone may make its slot move on, and
-- the script would fail before the entries are claimed.
local function take(id)
  if left == 0 or (near and not near[id]) or redis.call('LREM', message_queue, -1, id) == 0 then return false end
  left = left - 1
  return true
end

-- Entries of one read follow each other, so one look finds all of them. The number of deliveries of each,
-- by its id.
local found = {}
local first, last = entries_at, #ARGV - 1
local count = (last - first) / 2 + 1
for _, pending in ipairs(redis.call('XPENDING', event_stream, group, ARGV[first], ARGV[last], count, consumer)) do
  found[pending[1]] = pending[4]
end

-- Returns how often the entry was delivered, or nil when it is not pending for the consumer.
local function deliveries_of(id)
  if found[id] then return found[id] end
  return (redis.call('XPENDING', event_stream, group, id, id, 1, consumer)[1] or {})[4]
end

local results, won = {}, {}
for i = entries_at, #ARGV, 2 do
  local id, deletable = ARGV[i], ARGV[i + 1]
  local deliveries = deliveries_of(id)
  local result = 0
  if not deliveries then
    result = -1
  elseif deliveries >= WON then
    -- An earlier call has won it, and its answer was lost.
    result = 1
  elseif take(id) then
    won[#won + 1] = id
    result = 1
  elseif deletable ~= '' then
    redis.call('ZADD', leftovers, deletable, id)
    acknowledge_attempt(event_stream, group, id)
  end
  results[#results + 1] = result
end
if #won > 0 then
  local claim = { unpack(won) }
  claim[#claim + 1], claim[#claim + 2], claim[#claim + 3] = 'RETRYCOUNT', WON, 'JUSTID'
  redis.call('XCLAIM', event_stream, group, consumer, 0, unpack(claim))
  redis.call('ZREM', leftovers, unpack(won))
end
return results
