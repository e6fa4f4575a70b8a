-- Stores a batch of events, once: a batch whose number is known is answered as it was then.
-- KEYS: 1 event stream  2 producer hash
--       then, when a reply is wanted: inbox; then, when an event is delayed: delayed zset, delayed hash
-- ARGV: 1 batch number  2 how many batches can be in flight  3 TTL of the producer hash, ms
--       4 how long the inbox is needed, ms; 0 when no reply is wanted  5 client id
--       6.. per event: KIND JSON [field value]..., KIND being 'r' (reply wanted) or 'e' (event), the number of
--       field-value pairs that follow, and, when it is delayed, ':' and for how long, ms
-- Returns the ids, joined by commas. Error STALE: a later batch has taken the place of this one.
redis.replicate_commands() -- Redis 6 would repeat the script on replicas, and make other ids there

local number, place = tonumber(ARGV[1]), ARGV[1] % ARGV[2]
local known = redis.call('HGET', KEYS[2], place)
if known then
  local stored, ids = string.match(known, '^(%d+) (.*)$')
  if tonumber(stored) == number then return ids end
  if tonumber(stored) > number then return redis.error_reply('STALE batch ' .. ARGV[1]) end
end

local client, ids = ARGV[5], {}

-- A delayed event has its id at once, by an entry that is deleted again. The workers are all waiting for entries, and
-- look at what is delayed now and then only: when they would notice the event late, that entry stays, with nothing but
-- the time. It nudges the worker that takes it.
local SOON = 2500
local function put_off(delay, fields)
  local delayed, bodies = KEYS[#KEYS - 1], KEYS[#KEYS]
  local time = redis.call('TIME')
  local due = string.format('%.0f', time[1] * 1000 + math.ceil(time[2] / 1000) + delay)
  local id = redis.call('XADD', KEYS[1], '*', 'due', due)
  redis.call('ZADD', delayed, due, id)
  for _, text in ipairs({ 'due', due, 'origin', id }) do fields[#fields + 1] = text end
  redis.call('HSET', bodies, id, cjson.encode(fields))
  if tonumber(delay) > SOON or redis.call('ZRANGE', delayed, 0, 0)[1] ~= id then redis.call('XDEL', KEYS[1], id) end
  return id
end

local i, last = 6, #ARGV
while i <= last do
  local kind = ARGV[i]
  local reply_to = string.byte(kind) == 114 and client or ''
  if #kind == 2 and string.byte(kind, 2) == 48 then
    ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'event', ARGV[i + 1], 'reply_to', reply_to)
    i = i + 2
  else
    local count, delay = string.match(kind, '^.(%d+):?(%d*)$')
    local extras = 2 * tonumber(count)
    local fields = { 'event', ARGV[i + 1], 'reply_to', reply_to, unpack(ARGV, i + 2, i + 1 + extras) }
    if delay == '' then
      ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', unpack(fields))
    else
      ids[#ids + 1] = put_off(delay, fields)
    end
    i = i + 2 + extras
  end
end

local needed = tonumber(ARGV[4])
if needed > 0 then
  local left = redis.call('PTTL', KEYS[3])
  if left == -2 then
    -- An inbox must be there before a reply: settling writes to inboxes that exist, never to a client that is gone.
    redis.call('XDEL', KEYS[3], redis.call('XADD', KEYS[3], '*', 'created', ''))
  end
  -- More than is needed, so that it is not set again with every batch.
  if left < needed then redis.call('PEXPIRE', KEYS[3], needed + 30000) end
end

local answer = table.concat(ids, ',')
redis.call('HSET', KEYS[2], place, ARGV[1] .. ' ' .. answer)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return answer
