-- Publishes a batch like publish. Events may have a delay, an ordering key and a deduplication key.
-- KEYS
--   queue_keys...     of each subscription that gets an event of the batch: event_stream, delayed,
--                     delayed_bodies, lanes, lane_bodies. After them the records of deduplication keys
-- ARGV
--   events...         per event: json, routes, delay: number, record: number, window: number, fields...
--                     `routes` are the numbers of its subscriptions, joined by blanks. `delay` is in ms, 0
--                     for an event that is due now. `record` is the index of its record among the keys, 0
--                     without a deduplication key, and `window` is for how long it is known, ms. `fields` are
--                     further fields, name and value in turn; the ordering key is the first
-- Returns the number of copies of each event, joined by commas: for a duplicate, those of the first event.
-- Returns the table, names and values in turn, when its version is another one: nothing is stored then. Error
-- STALE: a later batch is stored.

-- include shared/known_batch.lua
-- include shared/topics/routing.lua
-- include shared/enqueue/delayed.lua
-- include shared/lanes/add.lua

local KEYS_PER_QUEUE = 5

-- The functions of the includes store in the queue that these variables name.
local function select_queue(route)
  local at = queue_keys_at + (route - 1) * KEYS_PER_QUEUE
  event_stream, delayed, delayed_bodies, lanes, lane_bodies = unpack(KEYS, at, at + KEYS_PER_QUEUE - 1)
end

-- Stores the copy of one subscription.
local function store_copy(route, json, delay, first, last)
  select_queue(route)
  local fields = { 'event', json, 'reply_to', '', unpack(ARGV, first, last) }
  if delay > 0 then store_delayed(fields, delay)
  elseif fields[5] == 'ordering_key' then add_to_lane(fields[6], fields)
  else redis.call('XADD', event_stream, '*', unpack(fields)) end
end

-- Returns the record of a deduplication key, and how many copies the first event with it had.
local function first_copies(record)
  local key = record > 0 and KEYS[queue_keys_at + record - 1]
  local count = key and redis.pcall('GET', key)
  return key, type(count) == 'string' and tonumber(count) or nil
end

-- These reads fail on a key of another type, before the script has written anything.
redis.call('GET', lane_ids)
local checked = {}
local i = events_at
while i <= #ARGV do
  for _, route in ipairs(parse_routes(ARGV[i + 1])) do
    if not checked[route] then
      checked[route] = true
      select_queue(route)
      redis.call('XLEN', event_stream)
      redis.call('ZCARD', delayed)
      redis.call('HLEN', delayed_bodies)
      redis.call('HLEN', lanes)
      redis.call('HLEN', lane_bodies)
    end
  end
  i = i + 6 + ARGV[i + 5]
end

local copies = {}
i = events_at
while i <= #ARGV do
  local json, routes, delay = ARGV[i], parse_routes(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local record, known = first_copies(tonumber(ARGV[i + 3]))
  local last = i + 5 + ARGV[i + 5]
  if not known then
    for _, route in ipairs(routes) do store_copy(route, json, delay, i + 6, last) end
    if record and #routes > 0 then redis.call('SET', record, #routes, 'PX', ARGV[i + 4]) end
  end
  copies[#copies + 1] = known or #routes
  i = last + 1
end
return remember_copies(copies)
