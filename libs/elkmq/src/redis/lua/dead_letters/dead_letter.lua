-- Ends an attempt: it moves the message to the dead letters, and sends the error to a caller that waits.
-- KEYS: 1 event stream  2 dead letters, zset: origin by time  3 dead letters, hash: origin -> JSON
--       4 message queue, or the inbox of the caller
-- ARGV: 1 group  2 id  3 origin  4 time, ms  5 JSON of the dead letter  6 how many dead letters are kept
--       7 for how long they are kept, ms  8 consumer that must own the entry, '' for any
--       9 least time since the last renewal of its lease, ms  10 type of KEYS[4]: 'list', 'inbox' or ''
--       11 JSON array of replies, for an inbox  12 'fields': the entry's fields go into the dead letter
-- Returns two numbers of dropped letters: of those beyond the number that is kept, and of those too old.
-- Returns an empty list when the consumer does not own the entry any more.

-- include shared/end_attempt.lua
-- include shared/free.lua

local stream, group, id, origin = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
-- These reads fail on a key of another type, before the script has written anything.
redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[3])
if ARGV[10] == 'list' then redis.call('LLEN', KEYS[4]) end
if ARGV[8] ~= '' then
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if not pending or pending[2] ~= ARGV[8] or pending[3] < tonumber(ARGV[9]) then return {} end
end
local letter = ARGV[5]
if ARGV[12] == 'fields' then
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return {} end
  letter = string.sub(letter, 1, -2) .. ',"fields":' .. cjson.encode(entry[2]) .. '}'
end
if not end_attempt(stream, group, id) then return {} end
if ARGV[10] == 'list' then
  redis.call('LREM', KEYS[4], -1, origin)
elseif ARGV[10] == 'inbox' and redis.call('EXISTS', KEYS[4]) == 1 then
  redis.pcall('XADD', KEYS[4], '*', 'replies', ARGV[11])
end
redis.call('ZADD', KEYS[2], ARGV[4], origin)
redis.call('HSET', KEYS[3], origin, letter)

-- The oldest letters are dropped. One call drops only some, so that other calls need not wait; the next
-- letters drop the rest.
local surplus = redis.call('ZCARD', KEYS[2]) - ARGV[6]
local now = redis.call('TIME')
local old = redis.call('ZCOUNT', KEYS[2], '-inf', now[1] * 1000 + now[2] / 1000 - ARGV[7])
local dropped = math.min(math.max(surplus, old), 1000)
if dropped <= 0 then return { 0, 0 } end
local oldest = redis.call('ZRANGE', KEYS[2], 0, dropped - 1)
dropped = how_many_to_free(KEYS[3], oldest)
redis.call('ZREM', KEYS[2], unpack(oldest, 1, dropped))
redis.call('HDEL', KEYS[3], unpack(oldest, 1, dropped))
old = math.min(old, dropped)
return { dropped - old, old }
