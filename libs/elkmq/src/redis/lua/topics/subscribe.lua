-- Adds a subscription to the table of its topic, or changes it, and makes the group of its queue.
-- KEYS
--   subscriptions     hash: the table of the topic
--   event_stream      of the subscription
-- ARGV
--   group
--   name              of the subscription
--   expected          its description in the table until now, '' when it has none
--   description       the new one, JSON; the same as `expected` changes nothing in the table
--   version           a random word that the table has never had
--   limit: number     how many subscriptions a topic can have
--   may_return: boolean   whether a subscription that was removed may come back
-- Returns 'OK'; 'CHANGED' when the description is not the expected one; 'FULL' when the topic has as many
-- subscriptions as it can have; 'REMOVED' when the subscription was removed and may not come back.

-- include shared/group_info.lua

-- Returns the number of subscriptions in the table.
local function count_subscriptions()
  local count, fields = 0, redis.call('HGETALL', subscriptions)
  for i = 1, #fields, 2 do
    if fields[i] ~= '' and string.sub(fields[i], 1, 1) ~= '-' then count = count + 1 end
  end
  return count
end

local known = redis.call('HGET', subscriptions, name)
if not known and not may_return and redis.call('HGET', subscriptions, '-' .. name) then return 'REMOVED' end
if (known or '') ~= expected then return 'CHANGED' end
if not known and count_subscriptions() >= limit then return 'FULL' end

if not group_info(event_stream, group) then
  redis.call('XGROUP', 'CREATE', event_stream, group, '0', 'MKSTREAM')
end
if description ~= expected then
  redis.call('HSET', subscriptions, name, description, '', version)
  redis.call('HDEL', subscriptions, '-' .. name)
end
return 'OK'
