-- Decides who gets entries whose ids are in the original's list: whoever takes the id out of it. An entry that was won says
-- so by its count of deliveries, 2, so that nobody takes it for one that an original consumer has.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 consumer  3.. per entry: id, when it can be deleted, ms, if its id is not in the list; '' to only look
-- Returns per entry: 1 it is this consumer's, 0 its id is not in the list, -1 it is not pending for the consumer any more.

local stream, list, group, consumer = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

-- Of another type: better known before the first write than after it.
redis.call('ZCARD', KEYS[3])

-- A long list is not searched to its end for each id: those that come next are at its tail. What is further away is found
-- when it gets there: see clean_list.
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
    -- Won by a call whose answer was lost.
    result = 1
  elseif take(id) then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', 2, 'JUSTID')
    redis.call('ZREM', KEYS[3], id)
    result = 1
  elseif deletable ~= '' then
    redis.call('ZADD', KEYS[3], deletable, id)
    redis.call('XACK', stream, group, id)
  end
  results[#results + 1] = result
end
return results
