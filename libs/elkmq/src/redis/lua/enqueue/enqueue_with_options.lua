-- Stores a batch like enqueue. Messages may have more than their JSON, the queue may be bounded, and legacy
-- consumers may read it too.
-- KEYS: 1 event stream  2 producer hash
--       then, when a reply is wanted: inbox
--       then, when legacy consumers read the queue too: message queue, and leftovers
--       (zset: id by when it can be deleted, ms)
--       then the records of deduplication keys: string (event) or hash (request)
--       then, when the queue is bounded: response stream, leftovers
--       then, when the queue is bounded or a message is delayed: delayed zset, delayed hash
-- ARGV: 1 batch number  2 its slot in the producer hash  3 TTL of the producer hash, ms
--       4 how long the inbox is needed, ms; 0 when no reply is wanted  5 client id
--       6 how many messages the queue may hold, '' for any number  7 index of the message queue in KEYS, ''
--       when only consumers of this package read the queue  8 group
--       9 how much longer than its timeout an entry is kept, ms
--       10.. per message: KIND JSON [field value]...
--       KIND is 'r' (request) or 'e' (event), and the number of field-value pairs that follow. ':' and the
--       delay, ms, follow for a delayed message. For a message with a deduplication key these follow, each
--       after a ';': index of the record in KEYS, window, ms, how long the caller waits, ms, and the request
--       uuid, '' for an event
-- Returns the ids, joined by commas: the id of the first message for a duplicate, 'FULL' for a message that
-- did not fit. Error STALE: a later batch has the slot.

-- include shared/known_batch.lua

local client, ids = ARGV[5], {}

-- Ids of messages are pushed to the message queue for legacy consumers.
local list = ARGV[7] ~= '' and KEYS[tonumber(ARGV[7])]
local leftovers = list and KEYS[ARGV[7] + 1]
local waiting = 0
-- These reads fail on a key of another type, before the script has written anything.
if list then
  waiting = redis.call('LLEN', list)
  redis.call('ZCARD', leftovers)
end

-- Messages that wait, are in flight or are delayed count. Some entries of the event stream are no messages:
-- legacy responses, and events that legacy consumers have taken. Where legacy consumers read the queue, the
-- messages that wait are in the message queue.
local room = math.huge
if ARGV[6] ~= '' then
  local messages
  if list then
    local pending = redis.pcall('XPENDING', KEYS[1], ARGV[8])
    messages = waiting + (pending.err and 0 or pending[1])
  else
    local left = math.max(redis.call('XLEN', KEYS[#KEYS - 3]), redis.call('ZCARD', KEYS[#KEYS - 2]))
    messages = redis.call('XLEN', KEYS[1]) - left
  end
  room = ARGV[6] - messages - redis.call('ZCARD', KEYS[#KEYS - 1])
end

-- A delayed message gets its id from an entry that is deleted at once. Workers wait for entries, and look
-- only now and then for delayed messages. When they would notice this one late, the entry stays, and holds
-- only the due time: the worker that takes it learns of the delayed message.
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

-- Sends the replies so far to a request that joins another one. The record keeps each reply without the
-- request uuid.
local LOT = 1000
local function tell(record, count, request)
  for from = 0, count - 1, LOT do
    local numbers, replies = {}, {}
    for n = from, math.min(from + LOT, count) - 1 do numbers[#numbers + 1] = n end
    for _, rest in ipairs(redis.call('HMGET', record, unpack(numbers))) do
      if rest then replies[#replies + 1] = '["' .. request .. '",' .. rest end
    end
    redis.call('XADD', KEYS[3], '*', 'replies', '[' .. table.concat(replies, ',') .. ']')
  end
end

-- Returns the id of the message that has the deduplication key already. A new request joins the callers that
-- wait for the replies to that message.
local function first_of(record, needed, request)
  if request == '' then
    local first = redis.pcall('GET', record)
    return type(first) == 'string' and first
  end
  local first, waiters, count, ended = unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'count', 'ended'))
  if not first then return false end
  if not ended then
    local me = client .. ' ' .. request
    redis.call('HSET', record, 'waiters', waiters == '' and me or waiters .. ' ' .. me)
    if redis.call('PTTL', record) < needed then redis.call('PEXPIRE', record, needed) end
  end
  tell(record, tonumber(count) or 0, request)
  return first
end

local function remember(record, id, window, needed, request)
  if request == '' then
    redis.call('SET', record, id, 'PX', window)
    return
  end
  local time = redis.call('TIME')
  local ends = string.format('%.0f', time[1] * 1000 + math.ceil(time[2] / 1000) + window)
  redis.call('DEL', record) -- anything of another type
  redis.call('HSET', record, 'origin', id, 'ends', ends, 'waiters', client .. ' ' .. request)
  redis.call('PEXPIRE', record, math.max(window, needed))
end

-- Adds an entry that legacy consumers may take. They do not delete it, so it is also put into the leftovers.
local function add_listed(fields)
  fields[#fields + 1], fields[#fields + 2] = 'listed', '1'
  local id = redis.call('XADD', KEYS[1], '*', unpack(fields))
  redis.call('LPUSH', list, id)
  local timeout = string.match(fields[2], '^{"request_uuid":%d+,"timeout":(%d+)')
  redis.call('ZADD', leftovers, string.format('%.0f', string.match(id, '^%d+') + timeout * 1000 + ARGV[9]), id)
  return id
end

local i, last = 10, #ARGV
while i <= last do
  local kind = ARGV[i]
  local reply_to = string.byte(kind) == 114 and client or ''
  -- Most messages have nothing but their JSON here too. To parse KIND takes a quarter of the time that it
  -- takes to store a message.
  if #kind == 2 and string.byte(kind, 2) == 48 and not list then
    ids[#ids + 1] = room > 0 and redis.call('XADD', KEYS[1], '*', 'event', ARGV[i + 1], 'reply_to', reply_to) or 'FULL'
    room = room - 1
    i = i + 2
  else
    local count, delay, key = string.match(kind, '^.(%d+):?(%d*);?(.*)$')
    local extras = 2 * tonumber(count)
    local place, window, needed, request = string.match(key, '^(%d+);(%d+);(%d+);(%d*)$')
    local record = place and KEYS[tonumber(place)]
    local id = record and first_of(record, tonumber(needed), request)
    if not id and room <= 0 then
      id = 'FULL'
    elseif not id then
      room = room - 1
      local fields = { 'event', ARGV[i + 1], 'reply_to', reply_to, unpack(ARGV, i + 2, i + 1 + extras) }
      -- A legacy consumer must not take a deduplicated request: it would answer only the first caller.
      if delay ~= '' then id = put_off(delay, fields)
      elseif list and not (record and request ~= '') then id = add_listed(fields)
      else id = redis.call('XADD', KEYS[1], '*', unpack(fields)) end
      if record then remember(record, id, tonumber(window), tonumber(needed), request) end
    end
    ids[#ids + 1] = id
    i = i + 2 + extras
  end
end

-- include shared/remember_batch.lua
