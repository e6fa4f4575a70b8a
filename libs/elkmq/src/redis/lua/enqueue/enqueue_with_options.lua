-- Stores a batch like enqueue. Messages may have more than their JSON, the queue may be bounded, and legacy
-- consumers may read it too.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   message_queue
--   leftovers
--   response_stream
--   inbox             of this client
--   lanes
--   lane_bodies
--   lane_ids
--   records...        the records of deduplication keys: string (event) or hash (request)
-- ARGV
--   group
--   client            id of the client that wants the replies
--   max_length: number          how many messages the queue may hold, 0 for any number
--   legacy_consumers: boolean   whether legacy consumers read the queue too
--   kept_longer: number         how much longer than its timeout an entry is kept for them, ms
--   after: number     number of the batch with ordering keys that must be stored before this one: 0 when none
--                     must be, -1 when no message of this batch has an ordering key
--   events...         per event: json, reply_to, options, fields...
--                     `reply_to` is the client, '' for an event without a reply. `fields` are further
--                     fields, name and value in turn; the ordering key is the first. `options` is JSON, ''
--                     for none of these:
--                     delay: ms, 0 for a message that is due now;
--                     record: number of its record among the records, 0 without a deduplication key;
--                     window: of the deduplication key, ms;
--                     wait: for how long the caller waits, ms, 0 for an event without a reply;
--                     request: uuid of the request, '' for an event without a reply
-- Returns the ids, joined by commas: the id of the first message for a duplicate, 'FULL' for a message that
-- did not fit, 'REFUSED' and the reason for a message that Redis refuses. Error: Redis refuses all messages.
-- Error STALE: a later batch has the field, or one with ordering keys is stored. Error EARLY: the
-- batch `after` is not stored yet.

-- include shared/known_batch.lua
-- include shared/enqueue/order.lua

-- include shared/now_ms.lua
-- include shared/enqueue/room.lua
-- include shared/enqueue/delayed.lua
-- include shared/enqueue/deduplicated_event.lua
-- include shared/enqueue/deduplicated_request.lua
-- include shared/enqueue/listed.lua
-- include shared/lanes/add.lua

-- These reads fail on a key of another type, before the script has written anything.
if legacy_consumers then
  redis.call('LLEN', message_queue)
  redis.call('ZCARD', leftovers)
end

local room = max_length == 0 and math.huge or max_length - count_messages()

-- Stores a message unless the queue is full. Returns its id, or 'FULL'.
local function store(fields, delay, is_listed)
  if room <= 0 then return 'FULL' end
  room = room - 1
  if delay > 0 then return store_delayed(fields, delay) end
  if fields[5] == 'ordering_key' then return add_to_lane(fields[6], fields) end
  if is_listed then return store_listed(fields) end
  return redis.call('XADD', event_stream, '*', unpack(fields))
end

-- Stores an event unless there is one with its key. Returns the id of the one that is there, or 'FULL'.
local function store_deduplicated_event(fields, options)
  local record = KEYS[records_at + options.record - 1]
  local id = first_event(record)
  if id then return id end
  id = store(fields, options.delay, legacy_consumers)
  if id ~= 'FULL' then remember_event(record, id, options.window) end
  return id
end

-- Stores a request unless there is one with its key. Returns the id of the one that is there, or 'FULL'.
local function store_deduplicated_request(fields, options)
  local record = KEYS[records_at + options.record - 1]
  local id, is_taken = join_request(record, options.wait, options.request)
  if id then return id end
  -- A legacy consumer must not take it: it would answer only the first caller.
  id = store(fields, options.delay, false)
  if id == 'FULL' then return id end
  if is_taken then redis.call('DEL', record) end
  remember_request(record, id, fields, options)
  return id
end

-- Messages of one batch often have the same options, so each text is read once.
local known_options = {}

local function store_with_options(fields, text)
  local options = known_options[text] or cjson.decode(text)
  known_options[text] = options
  if options.record == 0 then return store(fields, options.delay, legacy_consumers) end
  if options.request == '' then return store_deduplicated_event(fields, options) end
  return store_deduplicated_request(fields, options)
end

-- A message that Redis refuses must not take others with it, since some may be stored already.
local ids, is_any_done, first_reason, i = {}, false, nil, events_at
while i <= #ARGV do
  local json, reply_to, options, length = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local last = i + 3 + length
  local is_done, id = true, 'FULL'
  if options ~= '' then
    local fields = { 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 4, last) }
    is_done, id = pcall(store_with_options, fields, options)
  elseif legacy_consumers or ARGV[i + 4] == 'ordering_key' then
    local fields = { 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 4, last) }
    is_done, id = pcall(store, fields, 0, legacy_consumers)
  elseif room > 0 then
    -- This is the usual message, so it does without a table.
    id = redis.pcall('XADD', event_stream, '*', 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 4, last))
    is_done = type(id) == 'string'
    room = room - 1
  end
  if is_done then
    is_any_done = true
  else
    -- Before version 7 Redis cannot raise an error that is a table, so errors are answers.
    local reason = type(id) == 'table' and id.err or id
    first_reason = first_reason or reason
    -- The slot is moving. The client sends the batch again.
    if string.find(reason, 'non local key', 1, true) then return redis.error_reply(reason) end
    id = 'REFUSED ' .. string.gsub(reason, ',', ';')
  end
  ids[#ids + 1] = id
  i = last + 1
end
if not is_any_done then return redis.error_reply(first_reason) end

if after >= 0 then redis.call('HSET', producer, 'ordered', batch) end

-- include shared/remember_batch.lua
