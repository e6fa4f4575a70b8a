-- Claims what one read hands out: as one record, where the group would have a pending entry for each, which Redis would
-- also write to its AOF and its replicas one by one. It is run twice in one transaction with the read, which acknowledges
-- at once (NOACK): before it and after it. Before that the claim is there with an empty value: where memory is short Redis
-- refuses this, and with it the transaction.
-- KEYS: 1 event stream  2 claims, hash: CONSUMER NUMBER -> after which id, up to which id, and since when, ms
-- ARGV: 1 group  2 the claim, CONSUMER NUMBER
-- Returns 1 when something is claimed, else 0.
redis.replicate_commands()

local last
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
for _, known in ipairs(groups.err and {} or groups) do
  if known[2] == ARGV[1] then last = known[8] end
end
local from = redis.call('HGET', KEYS[2], ARGV[2])
if from == '' and last then
  redis.call('HSET', KEYS[2], ARGV[2], last)
  return 0
end
-- No group, or nothing was waiting.
if not from or not last or from == last then
  redis.call('HDEL', KEYS[2], ARGV[2])
  return 0
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[2], ARGV[2], from .. ' ' .. last .. ' ' .. now)
return 1
