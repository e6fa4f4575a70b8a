-- Stores a batch of messages that have nothing but their JSON. The batch is stored once: when its number is
-- known, the script repeats its first answer.
-- KEYS: 1 event stream  2 producer hash  3 inbox, when a reply is wanted
-- ARGV: 1 batch number  2 its slot in the producer hash  3 TTL of the producer hash, ms
--       4 how long the inbox is needed, ms; 0 when no reply is wanted
--       5 client id, '' when no reply is wanted  6.. JSON of each message
-- Returns the ids, joined by commas. Error STALE: a later batch has the slot.

-- include shared/known_batch.lua

local ids = {}
for i = 6, #ARGV do ids[i - 5] = redis.call('XADD', KEYS[1], '*', 'event', ARGV[i], 'reply_to', ARGV[5]) end

-- include shared/remember_batch.lua
