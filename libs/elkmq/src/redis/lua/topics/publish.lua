-- Publishes a batch of events that have nothing but their JSON and further fields. Each subscription that is
-- to have an event gets an entry of its own. All of the batch is stored, or nothing, and it is stored once:
-- when its number is known, the script repeats its first answer.
-- KEYS
--   event_streams...  of the subscriptions that get an event of the batch
-- ARGV
--   events...         per event: json, routes, fields...
--                     `routes` are the numbers of its event streams, joined by blanks. `fields` are further
--                     fields, name and value in turn
-- Returns the number of copies of each event, joined by commas. Returns the table, names and values in turn,
-- when its version is another one: nothing is stored then. Error STALE: a later batch is stored.

-- include shared/known_batch.lua
-- include shared/topics/routing.lua

-- These reads fail on a key of another type, before the script has written anything.
for i = event_streams_at, #KEYS do redis.call('XLEN', KEYS[i]) end

local copies, i = {}, events_at
while i <= #ARGV do
  local json, routes, length = ARGV[i], parse_routes(ARGV[i + 1]), ARGV[i + 2]
  local last = i + 2 + length
  for _, route in ipairs(routes) do
    local stream = KEYS[event_streams_at + route - 1]
    redis.call('XADD', stream, '*', 'event', json, 'reply_to', '', unpack(ARGV, i + 3, last))
  end
  copies[#copies + 1] = #routes
  i = last + 1
end
return remember_copies(copies)
