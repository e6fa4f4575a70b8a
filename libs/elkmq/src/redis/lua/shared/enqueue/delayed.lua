-- Stores a message with a delay. Workers wait for entries, and look only now and then for delayed messages.
-- When they would notice this one late, an entry announces it: a nudge. It holds only the due time, and its
-- id is that of the message. The worker that takes it learns of the delayed message.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies

-- include shared/make_id.lua

-- Workers notice a message in time that is due later than this, ms.
local SOON_MS = 2500

-- The due time of the first delayed message of a queue, by the key of its delayed messages.
local first_due = {}

-- Announces a message that is the first to be due. Later ones need no nudge: a worker that promotes a message
-- learns when the next one is due. Returns the id of the nudge, or nil. `due` is in ms, as text.
local function announce(due)
  local earliest = first_due[delayed] or redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
  local is_first = not earliest or tonumber(due) < tonumber(earliest)
  first_due[delayed] = is_first and due or earliest
  if not is_first or tonumber(due) > now_ms() + SOON_MS then return nil end
  return redis.call('XADD', event_stream, '*', 'due', due)
end

-- Returns the id of the message.
local function store_due(fields, due)
  local id = announce(due) or make_id()
  redis.call('ZADD', delayed, due, id)
  fields[#fields + 1], fields[#fields + 2] = 'origin', id
  redis.call('HSET', delayed_bodies, id, cjson.encode(fields))
  return id
end

local function store_delayed(fields, delay)
  -- The begun millisecond counts, so that no message is early.
  local due = string.format('%.0f', now_ms() + 1 + delay)
  fields[#fields + 1], fields[#fields + 2] = 'due', due
  return store_due(fields, due)
end
