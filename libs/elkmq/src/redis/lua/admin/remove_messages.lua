-- Deletes messages that nobody handles: waiting, delayed and dead ones. A message that is running stays.
-- KEYS: 1 event stream  2 delayed, zset  3 delayed, hash  4 dead letters, zset  5 dead letters, hash
--       6 message queue
-- ARGV: 1 group  2 bytes after which no further message is deleted
--       3.. ids: of its entry for a waiting message, of its origin for another one
-- Returns two values: the number of deleted messages, and the number of ids that were looked at.
local stream, group, budget = KEYS[1], ARGV[1], tonumber(ARGV[2])
local count, bytes = 0, 0

local function remove_entry(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return 0 end
  -- XPENDING fails when there is no group. Then nobody has taken anything.
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
  if not pending.err and #pending > 0 then return 0 end
  for f = 2, #entry[2], 2 do bytes = bytes + #entry[2][f] end
  -- The id goes first: a legacy consumer fails on an id without an entry.
  redis.call('LREM', KEYS[6], -1, id)
  return redis.call('XDEL', stream, id)
end

local function remove_body(index, hash, id)
  if redis.call('ZREM', index, id) == 0 then return 0 end
  bytes = bytes + redis.call('HSTRLEN', hash, id)
  redis.call('HDEL', hash, id)
  return 1
end

for i = 3, #ARGV do
  local id = ARGV[i]
  if bytes >= budget then return { count, i - 3 } end
  -- A delayed message can have an entry too, see put_off in enqueue_with_options. It is one message.
  local removed = remove_body(KEYS[2], KEYS[3], id) + remove_body(KEYS[4], KEYS[5], id) + remove_entry(id)
  if removed > 0 then count = count + 1 end
end
return { count, #ARGV - 2 }
