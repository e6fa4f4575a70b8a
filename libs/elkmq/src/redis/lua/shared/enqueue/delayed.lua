-- Stores a message with a delay. It gets its id from an entry that is deleted at once. Workers wait for
-- entries, and look only now and then for delayed messages. When they would notice this one late, the entry
-- stays, and holds only the due time: the worker that takes it learns of the delayed message.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies

-- include shared/now_ms.lua

-- Workers notice a message in time that is due later than this, ms.
local SOON_MS = 2500

-- `due` is in ms, as text.
local function store_due(fields, due)
  local id = redis.call('XADD', event_stream, '*', 'due', due)
  redis.call('ZADD', delayed, due, id)
  fields[#fields + 1], fields[#fields + 2] = 'origin', id
  redis.call('HSET', delayed_bodies, id, cjson.encode(fields))
  local is_first = redis.call('ZRANGE', delayed, 0, 0)[1] == id
  if tonumber(due) > now_ms() + SOON_MS or not is_first then redis.call('XDEL', event_stream, id) end
  return id
end

local function store_delayed(fields, delay)
  -- The begun millisecond counts, so that no message is early.
  local due = string.format('%.0f', now_ms() + 1 + delay)
  fields[#fields + 1], fields[#fields + 2] = 'due', due
  return store_due(fields, due)
end
