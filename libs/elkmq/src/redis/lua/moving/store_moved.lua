-- Stores messages that are on their way from another queue, each once. They come in the order of their ids,
-- so those up to the last one that has come are stored already.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   lanes
--   lane_bodies
--   lane_ids
--   arrived           hash: name of a queue -> id of the last message from there
-- ARGV
--   from              name of the other queue
--   messages...       per message: id, due_at, fields...
--                     `id` is that of its entry in `moving` of the other queue. `due_at` is when it is due in
--                     ms, '' for now.
-- Returns the id of the last message from there that is stored, '0-0' for none.

-- include shared/enqueue/delayed.lua
-- include shared/lanes/add.lua
-- include shared/fields.lua
-- include shared/stream_ids.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('XLEN', event_stream)
redis.call('ZCARD', delayed)
redis.call('HLEN', delayed_bodies)
redis.call('HLEN', lanes)
redis.call('HLEN', lane_bodies)
redis.call('GET', lane_ids)

local last = redis.call('HGET', arrived, from) or '0-0'
-- This fails before anything is stored where Redis refuses to write.
redis.call('HSET', arrived, from, last)

local function store(fields, due_at)
  if due_at ~= '' and tonumber(due_at) > now_ms() then return store_due(fields, due_at) end
  local key = get_field(fields, 'ordering_key')
  if key then return add_to_lane(key, fields) end
  return redis.call('XADD', event_stream, '*', unpack(fields))
end

local i = messages_at
while i <= #ARGV do
  local id, due_at, length = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if is_id_before(last, id) then
    store({ unpack(ARGV, i + 3, i + 2 + length) }, due_at)
    -- It is noted with each message: nothing is stored twice, wherever the script fails.
    redis.call('HSET', arrived, from, id)
    last = id
  end
  i = i + 3 + length
end
return last
