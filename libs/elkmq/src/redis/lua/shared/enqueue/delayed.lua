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

local function store_delayed(fields, delay)
  -- The begun millisecond counts, so that no message is early.
  local due = string.format('%.0f', now_ms() + 1 + delay)
  local id = redis.call('XADD', event_stream, '*', 'due', due)
  redis.call('ZADD', delayed, due, id)
  for _, text in ipairs({ 'due', due, 'origin', id }) do fields[#fields + 1] = text end
  redis.call('HSET', delayed_bodies, id, cjson.encode(fields))
  local is_first = redis.call('ZRANGE', delayed, 0, 0)[1] == id
  if delay > SOON_MS or not is_first then redis.call('XDEL', event_stream, id) end
  return id
end
