-- Puts dead letters back into the queue, each as a new message: its attempts start at 1, its time is now,
-- and nobody waits for a reply. A message with an ordering key goes behind those of its key, unless its
-- letter holds the key: then it is the first of them. Each letter is deleted with that, so two callers at
-- once revive it only once.
-- KEYS
--   event_stream
--   dead_letters
--   dead_letter_bodies
--   lanes
--   lane_bodies
--   lane_ids
--   held
-- ARGV
--   budget: number    bytes of JSON after which no further letter is put back
--   origins...
-- Returns two values: the number of letters put back, and the number of origins that were looked at.

-- include shared/dead_letters/revived.lua
-- include shared/lanes/add.lua

-- The message takes the place of its letter, which holds the key. Returns false when it does not hold it.
local function take_place(key, fields, origin)
  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))
  if head ~= origin or entry ~= DEAD then return false end
  local id = redis.call('XADD', event_stream, '*', unpack(fields))
  set_lane(key, id, id, first, last)
  return true
end

-- This read fails on a key of another type, before the script has written anything.
redis.call('HLEN', held)
local count = 0
for i = origins_at, #ARGV do
  if budget <= 0 then return { count, i - origins_at } end
  local body = redis.call('HGET', dead_letter_bodies, ARGV[i])
  local readable, letter = pcall(cjson.decode, body)
  local fields = readable and type(letter) == 'table' and revived(letter)
  -- A letter that this package cannot read stays.
  if fields then
    -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
    local key = get_field(fields, 'ordering_key')
    if not key then redis.call('XADD', event_stream, '*', unpack(fields))
    elseif not take_place(key, fields, ARGV[i]) then add_to_lane(key, fields) end
    redis.call('HDEL', held, ARGV[i])
    redis.call('HDEL', dead_letter_bodies, ARGV[i])
    redis.call('ZREM', dead_letters, ARGV[i])
    count = count + 1
    budget = budget - #body
  end
end
return { count, #ARGV - origins_at + 1 }
