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
--   records...        the records of deduplication keys: string (event) or hash (request)
-- ARGV
--   group
--   client            id of the client that wants the replies
--   max_length: number          how many messages the queue may hold, 0 for any number
--   legacy_consumers: boolean   whether legacy consumers read the queue too
--   kept_longer: number         how much longer than its timeout an entry is kept for them, ms
--   events...   per event: json, wait: number, delay: number, record: number, window: number, request, fields...
--                     `wait` is how long the caller waits, ms, 0 for an event without a reply. `delay` is in
--                     ms. `record` is the number of its record among the records, 0 without a deduplication
--                     key. `window` is that of the key, ms. `request` is the uuid of a request with a key.
--                     `fields` are further fields, name and value in turn.
-- Returns the ids, joined by commas: the id of the first message for a duplicate, 'FULL' for a message that
-- did not fit. Error STALE: a later batch has the slot.

-- include shared/batch.lua
-- include shared/now_ms.lua
-- include shared/enqueue/room.lua
-- include shared/enqueue/delayed.lua
-- include shared/enqueue/deduplicated_event.lua
-- include shared/enqueue/deduplicated_request.lua
-- include shared/enqueue/listed.lua

local known = known_answer()
if known then return known end

-- These reads fail on a key of another type, before the script has written anything.
if legacy_consumers then
  redis.call('LLEN', message_queue)
  redis.call('ZCARD', leftovers)
end

local room = max_length == 0 and math.huge or max_length - count_messages()

-- Stores a new message. Returns its id.
local function store(fields, delay, is_listed)
  if delay > 0 then return store_delayed(fields, delay) end
  if is_listed then return store_listed(fields) end
  return redis.call('XADD', event_stream, '*', unpack(fields))
end

-- Stores a message unless the queue is full. Returns its id, or 'FULL'.
local function store_if_room(...)
  if room <= 0 then return 'FULL' end
  room = room - 1
  return store(...)
end

local ids, i = {}, events_at
while i <= #ARGV do
  local json, wait, delay, record, window, request, length = unpack(ARGV, i, i + 6)
  local is_request = wait ~= '0'
  local reply_to = is_request and client or ''
  local fields = { 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 7, i + 6 + length) }
  local id
  if record == '0' then
    id = store_if_room(fields, tonumber(delay), legacy_consumers)
  elseif is_request then
    record = KEYS[records_at + record - 1]
    id = join_request(record, tonumber(wait), request)
    if not id then
      -- A legacy consumer must not take it: it would answer only the first caller.
      id = store_if_room(fields, tonumber(delay), false)
      if id ~= 'FULL' then remember_request(record, id, tonumber(window), tonumber(wait), request) end
    end
  else
    record = KEYS[records_at + record - 1]
    id = first_event(record)
    if not id then
      id = store_if_room(fields, tonumber(delay), legacy_consumers)
      if id ~= 'FULL' then remember_event(record, id, window) end
    end
  end
  ids[#ids + 1] = id
  i = i + 7 + length
end
return remember_answer(ids)
