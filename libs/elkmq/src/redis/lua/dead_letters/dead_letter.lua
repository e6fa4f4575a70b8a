-- Ends an attempt: it moves the message to the dead letters, and sends the error to a caller that waits.
-- KEYS
--   event_stream
--   dead_letters
--   dead_letter_bodies
--   message_queue
--   lanes
--   lane_bodies
--   cancelled
--   held
--   inbox?            of the caller, when one waits
-- ARGV
--   group
--   id                id of the entry
--   origin
--   ordering_key      '' when the message has none
--   holds_key: boolean     whether the messages behind it wait until the letter is retried or removed
--   died_at: number   time of the last attempt, ms since 1970
--   letter            JSON of the dead letter
--   with_fields: boolean   whether the script adds the fields of the entry to the letter
--   max: number       how many dead letters are kept
--   max_age: number   for how long they are kept, ms
--   consumer          consumer that must own the entry, '' for any
--   min_idle: number  least time since the last renewal of its lease, ms
--   is_listed: boolean     whether the origin may be in the message queue
--   replies           JSON array of replies for the inbox
-- Returns two numbers of removed letters: of those beyond the number that is kept, and of those too old; and
-- the number of ordering keys that removed letters have held.
-- Returns an empty list when the consumer does not own the entry any more.

-- include shared/add_replies.lua
-- include shared/end_attempt.lua
-- include shared/free.lua
-- include shared/lanes/hold.lua
-- include shared/now_ms.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('ZCARD', dead_letters)
redis.call('HLEN', dead_letter_bodies)
redis.call('HLEN', held)
if is_listed then redis.call('LLEN', message_queue) end
if consumer ~= '' then
  local pending = redis.call('XPENDING', event_stream, group, id, id, 1)[1]
  if not pending or pending[2] ~= consumer or pending[3] < min_idle then return {} end
end
if with_fields then
  local entry = redis.call('XRANGE', event_stream, id, id)[1]
  if not entry then return {} end
  letter = string.sub(letter, 1, -2) .. ',"fields":' .. cjson.encode(entry[2]) .. '}'
end
if not end_attempt(event_stream, group, id) then return {} end
if is_listed then redis.call('LREM', message_queue, -1, origin) end
if inbox then add_replies(inbox, replies) end
redis.call('ZADD', dead_letters, died_at, origin)
redis.call('HSET', dead_letter_bodies, origin, letter)
if ordering_key ~= '' then
  if holds_key then hold(ordering_key, origin) else release(ordering_key, origin) end
end

-- The oldest letters are removed. One call removes only some, so that other calls need not wait; the next
-- letters remove the rest.
local surplus = redis.call('ZCARD', dead_letters) - max
local old = redis.call('ZCOUNT', dead_letters, '-inf', now_ms() - max_age)
local removed = math.min(math.max(surplus, old), 1000)
if removed <= 0 then return { 0, 0, 0 } end
local oldest = redis.call('ZRANGE', dead_letters, 0, removed - 1)
local freed
removed = how_many_to_free(dead_letter_bodies, oldest, 1, #oldest)
removed, freed = free_keys(oldest, 1, removed)
redis.call('ZREM', dead_letters, unpack(oldest, 1, removed))
redis.call('HDEL', dead_letter_bodies, unpack(oldest, 1, removed))
old = math.min(old, removed)
return { removed - old, old, freed }
