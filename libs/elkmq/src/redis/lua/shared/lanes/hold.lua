-- A dead letter can hold its ordering key. Then it stays the head of the lane, and the messages behind it
-- wait until the letter is retried or removed.
-- KEYS
--   lanes             hash: ordering key -> its lane
--   held              hash: origin of a dead letter -> the ordering key that it holds

-- include shared/lanes/lane.lua
-- include shared/lanes/release.lua

-- The most keys that a script frees. This takes about two milliseconds.
local MAX_FREED_KEYS = 100

-- The head of a lane has become a dead letter that holds the key. A message that is not the head holds
-- nothing.
local function hold(key, origin)
  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))
  if head and head ~= origin then return end
  set_lane(key, origin, DEAD, first or 1, last or 0)
  redis.call('HSET', held, origin, key)
end

-- Frees the keys that the dead letters from `origins[from]` to `origins[to]` hold. Returns how many letters
-- the script may delete, counted from the first one, and how many keys are free now.
local function free_keys(origins, from, to)
  local keys, freed = redis.call('HMGET', held, unpack(origins, from, to)), 0
  for i = from, to do
    local key = keys[i - from + 1]
    if key then
      redis.call('HDEL', held, origins[i])
      if release(key, origins[i]) then freed = freed + 1 end
      if freed == MAX_FREED_KEYS then return i - from + 1, freed end
    end
  end
  return to - from + 1, freed
end
