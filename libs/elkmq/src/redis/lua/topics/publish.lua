-- Publishes a batch of events that have nothing but their JSON and further fields. Each subscription that is
-- to have an event gets an entry of its own. All of the batch is stored, or nothing, and it is stored once:
-- when its number is known, the script repeats its first answer.
-- KEYS
--   event_streams...  of the subscriptions that get an event of the batch
-- ARGV
--   groups...         per group: routes, texts_per_event: number, texts...
--                     a group has events that follow each other, with the same routes and as many fields.
--                     `routes` are the numbers of its event streams, joined by blanks. `texts` are the JSON
--                     of each event and its further fields, name and value in turn
-- Returns the number of copies of each event, joined by commas. Returns the table, names and values in turn,
-- when its version is another one: nothing is stored then. Error STALE: a later batch is stored.

-- include shared/known_batch.lua
-- include shared/topics/routing.lua

-- These reads fail on a key of another type, before the script has written anything.
for i = event_streams_at, #KEYS do redis.call('XLEN', KEYS[i]) end

local function store_copies(routes, first, last)
  for _, route in ipairs(routes) do
    local stream = KEYS[event_streams_at + route - 1]
    if first == last then
      redis.call('XADD', stream, '*', 'event', ARGV[first], 'reply_to', '')
    else
      redis.call('XADD', stream, '*', 'event', ARGV[first], 'reply_to', '', unpack(ARGV, first + 1, last))
    end
  end
end

local copies, i = {}, groups_at
while i <= #ARGV do
  local routes, texts_per_event, length = parse_routes(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2]
  local last = i + 2 + length
  for first = i + 3, last, texts_per_event do
    store_copies(routes, first, first + texts_per_event - 1)
    copies[#copies + 1] = #routes
  end
  i = last + 1
end
return remember_copies(copies)
