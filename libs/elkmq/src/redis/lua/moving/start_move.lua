-- Takes messages out of the queue that nobody handles, and keeps them in the stream `moving`: they are on
-- their way to another queue. Its slot may be another one, so no script can do both. No worker takes what is
-- on its way, and every later move to that queue delivers it.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   dead_letters
--   dead_letter_bodies
--   message_queue
--   lanes
--   lane_bodies
--   cancelled
--   held
--   moving
-- ARGV
--   group
--   to                name of the other queue
--   floor             id of the last message from here that the other queue has got, '0-0' for none
--   budget: number    bytes after which no further message is taken out
--   messages...       per message: id, ordering_key
--                     `id` is that of its entry for a waiting message, of its origin for another one.
--                     `ordering_key` is that of a message that waits behind others, else ''.
-- Returns two values: the number of messages that were looked at, and per message that stays its id and the
-- reason.

-- include shared/dead_letters/revived.lua
-- include shared/delete_untaken.lua
-- include shared/expire_moving.lua
-- include shared/is_pending.lua
-- include shared/last_taken.lua
-- include shared/lanes/hold.lua
-- include shared/now_ms.lua
-- include shared/stream_ids.lua

local bytes, stayed = 0, {}
local taken = last_taken(event_stream, group)

-- Returns an id above all that the other queue has got. The clock may have gone back, and a failover may have
-- lost the end of this stream.
local function next_id()
  if is_id_before(floor, string.format('%.0f-0', now_ms())) then return '*' end
  local last = redis.call('XREVRANGE', moving, '+', '-', 'COUNT', 1)[1]
  return id_after(last and is_id_before(floor, last[1]) and last[1] or floor)
end

-- Keeps a message. `due` is when a delayed message is due, '' for one that is due now.
local function keep(fields, due)
  redis.call('XADD', moving, next_id(), 'to', to, 'due_at', due, unpack(fields))
  bytes = bytes + bytes_of(fields)
end

-- Returns the fields that a message has in the other queue. It gets a new origin there, so `due` is what its
-- timeout counts from.
local function fields_of_moved(fields, origin)
  local due = get_field(fields, 'due') or string.match(origin, '^%d+')
  local moved = without_field(without_field(without_field(fields, 'origin'), 'listed'), 'due')
  moved[#moved + 1], moved[#moved + 2] = 'due', due
  return moved
end

-- Returns why a message that nobody has taken stays, nil when it can go.
local function reason_to_stay(fields)
  if not are_fields(fields) or not get_field(fields, 'event') then return 'unreadable' end
  local reply_to = get_field(fields, 'reply_to')
  -- A legacy client may wait for the response.
  if not reply_to then return 'legacy' end
  -- The caller reads an inbox of this queue. A worker of the other one writes to those of its own.
  if reply_to ~= '' then return 'request' end
  return nil
end

local function start_entry(id, fields)
  if is_pending(event_stream, group, id) then return 'running' end
  -- Workers have left it to legacy clients.
  if not is_id_before(taken, id) then return 'legacy' end
  local reason = reason_to_stay(fields)
  if reason then return reason end
  -- A legacy consumer has the message when it has taken the id out of the list.
  if get_field(fields, 'listed') and redis.call('LREM', message_queue, -1, id) == 0 then return 'legacy' end
  local origin, key = get_field(fields, 'origin') or id, get_field(fields, 'ordering_key')
  keep(fields_of_moved(fields, origin), '')
  redis.call('XDEL', event_stream, id)
  if key then release(key, origin) end
  return nil
end

local function start_delayed(id, due)
  local is_json, fields = pcall(cjson.decode, redis.call('HGET', delayed_bodies, id))
  local reason = is_json and reason_to_stay(fields) or (not is_json and 'unreadable') or nil
  if reason then return reason end
  local key = get_field(fields, 'ordering_key')
  -- It waits for its next attempt, and others wait for it.
  if key and parse_lane(redis.call('HGET', lanes, key)) == id then return 'ordered' end
  keep(fields_of_moved(fields, id), due)
  redis.call('ZREM', delayed, id)
  redis.call('HDEL', delayed_bodies, id)
  delete_untaken(event_stream, group, id)
  return nil
end

local function start_letter(id, body)
  local is_json, letter = pcall(cjson.decode, body)
  local fields = is_json and type(letter) == 'table' and letter.reason ~= 'malformed' and revived(letter)
  if not fields then return 'unreadable' end
  keep(fields, '')
  redis.call('HDEL', dead_letter_bodies, id)
  redis.call('ZREM', dead_letters, id)
  local key = redis.call('HGET', held, id)
  if key then
    redis.call('HDEL', held, id)
    release(key, id)
  end
  return nil
end

-- Only the first message of a key goes. Then those that go keep their order.
local function start_ordered(origin, key)
  local head, entry = parse_lane(redis.call('HGET', lanes, key))
  if not head then return 'gone' end
  if head ~= origin or entry == DELAYED or entry == DEAD then return 'ordered' end
  local found = redis.call('XRANGE', event_stream, entry, entry)[1]
  if not found then return 'gone' end
  return start_entry(entry, found[2])
end

-- Returns why the message stays, nil when it goes.
local function start(id, key)
  if key ~= '' then return start_ordered(id, key) end
  local due = redis.call('ZSCORE', delayed, id)
  if due then return start_delayed(id, due) end
  local letter = redis.call('HGET', dead_letter_bodies, id)
  if letter then return start_letter(id, letter) end
  local entry = redis.call('XRANGE', event_stream, id, id)[1]
  if not entry or entry[2][1] == 'due' then return 'gone' end
  return start_entry(id, entry[2])
end

-- These fail on a key of another type, or where Redis refuses PERSIST, before anything has been written.
redis.call('XLEN', moving)
redis.call('HLEN', held)
redis.call('PERSIST', moving)
local looked = 0
for i = messages_at, #ARGV, 2 do
  if bytes >= budget then break end
  local reason = start(ARGV[i], ARGV[i + 1])
  if reason then stayed[#stayed + 1], stayed[#stayed + 2] = ARGV[i], reason end
  looked = looked + 1
end
expire_when_empty()
return { looked, stayed }
