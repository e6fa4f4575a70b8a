-- This is common to the scripts that publish. The client computes the routes of an event by its copy of the
-- table. They count only while the table has the same version: otherwise the script stores nothing, and
-- returns the table.
-- KEYS
--   subscriptions     hash: the table of the topic
--   unrouted          hash: count, action, time
--   producer
-- ARGV
--   batch
--   answer_field
--   answer_ttl_ms
--   version           of the table by which the routes were computed, '' when there was none
--   unrouted_count: number   events of this batch without a subscription
--   unrouted_action   of the last of them

-- include shared/now_ms.lua

if (redis.call('HGET', subscriptions, '') or '') ~= version then
  return redis.call('HGETALL', subscriptions)
end

-- Events of one action have the same routes, so each text is read once.
local known_routes = {}

-- Returns the numbers in a text of numbers and blanks.
local function parse_routes(text)
  local routes = known_routes[text]
  if routes then return routes end
  routes = {}
  for route in string.gmatch(text, '%d+') do routes[#routes + 1] = tonumber(route) end
  known_routes[text] = routes
  return routes
end

-- Stores the answer of the batch, and returns it.
local function remember_copies(copies)
  if unrouted_count > 0 then
    redis.call('HINCRBY', unrouted, 'count', unrouted_count)
    redis.call('HSET', unrouted, 'action', unrouted_action, 'time', string.format('%.0f', now_ms()))
  end
  local answer = table.concat(copies, ',')
  redis.call('HSET', producer, answer_field, batch .. ' ' .. answer)
  redis.call('PEXPIRE', producer, answer_ttl_ms)
  return answer
end
