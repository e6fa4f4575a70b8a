-- Stores a batch of messages that have nothing but their JSON. The batch is stored once: when its number is
-- known, the script repeats its first answer.
-- KEYS
--   event_stream
-- ARGV
--   client            id of the client that wants the replies, '' when none is wanted
--   messages...       JSON of each message
-- Returns the ids, joined by commas. Error STALE: a later batch has the field.

-- include shared/known_batch.lua

local ids = {}
for i = messages_at, #ARGV do
  ids[i - messages_at + 1] = redis.call('XADD', event_stream, '*', 'event', ARGV[i], 'reply_to', client)
end

-- include shared/remember_batch.lua
