-- Deletes messages that nobody handles: waiting, delayed and dead ones. A message that is running stays.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   dead_letters
--   dead_letter_bodies
--   message_queue
-- ARGV
--   group
--   budget: number    bytes after which no further message is deleted
--   ids...            of its entry for a waiting message, of its origin for another one
-- Returns two values: the number of deleted messages, and the number of ids that were looked at.

-- include shared/fields.lua

local count, bytes = 0, 0

local function remove_entry(id)
  local entry = redis.call('XRANGE', event_stream, id, id)[1]
  if not entry then return 0 end
  -- XPENDING fails when there is no group. Then nobody has taken anything.
  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)
  if not pending.err and #pending > 0 then return 0 end
  bytes = bytes + bytes_of(entry[2])
  -- The id goes first: a legacy consumer fails on an id without an entry.
  redis.call('LREM', message_queue, -1, id)
  return redis.call('XDEL', event_stream, id)
end

local function remove_body(index, hash, id)
  if redis.call('ZREM', index, id) == 0 then return 0 end
  bytes = bytes + redis.call('HSTRLEN', hash, id)
  redis.call('HDEL', hash, id)
  return 1
end

for i = ids_at, #ARGV do
  local id = ARGV[i]
  if bytes >= budget then return { count, i - ids_at } end
  local removed = remove_body(delayed, delayed_bodies, id) + remove_body(dead_letters, dead_letter_bodies, id)
  -- A delayed message can have an entry too, see store_delayed. It is one message.
  removed = removed + remove_entry(id)
  if removed > 0 then count = count + 1 end
end
return { count, #ARGV - ids_at + 1 }
