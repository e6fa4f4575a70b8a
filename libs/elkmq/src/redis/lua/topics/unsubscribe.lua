-- Removes a subscription from its topic, and deletes its queue with all its messages. A mark in the table
-- stays, so that its workers know.
-- KEYS
--   subscriptions     hash: the table of the topic
--   trimmed           hash: subscription -> number of messages that retention has deleted
--   queue_keys...     all keys of the queue that have a fixed name
-- ARGV
--   name              of the subscription
--   version           a random word that the table has never had
--   expected?         its description: with another one, or none, nothing is removed
-- Returns 1 when the table had the subscription, else 0.

-- include shared/now_ms.lua

-- Marks are kept for a week.
local MARK_MS = 7 * 24 * 3600 * 1000

if expected and redis.call('HGET', subscriptions, name) ~= expected then return 0 end
-- It comes first: a user who may not use it changes nothing.
redis.call('UNLINK', unpack(KEYS, queue_keys_at))
local now = now_ms()
local fields = redis.call('HGETALL', subscriptions)
for i = 1, #fields, 2 do
  local is_mark = string.sub(fields[i], 1, 1) == '-'
  if is_mark and (tonumber(fields[i + 1]) or 0) < now - MARK_MS then
    redis.call('HDEL', subscriptions, fields[i])
  end
end
local was_there = redis.call('HDEL', subscriptions, name)
redis.call('HSET', subscriptions, '-' .. name, string.format('%.0f', now), '', version)
redis.call('HDEL', trimmed, name)
return was_there
