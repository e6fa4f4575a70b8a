-- Puts entries back into the queue as new entries, so that a waiting reader wakes up. They were handed out
-- and never started, or their worker is gone, which counts as an attempt. Their origin (the id of the first
-- entry) stays. An entry that legacy consumers may take, and that no worker has won, is put back for them
-- too. If its id is not in the message queue, a legacy consumer has it, or its producer has not pushed it
-- yet. Then the entry stays in the stream, acknowledged.
-- KEYS
--   event_stream
--   message_queue
--   leftovers
--   lanes
-- ARGV
--   group
--   attempts: number  how many abandoned attempts to add
--   consumer          consumer that must own the entries, '' for any
--   min_idle: number  least time since the last renewal of their lease, ms
--   legacy_limit      up to which id legacy consumers may take events of legacy producers, '+' for all, ''
--                     for none
--   kept_longer: number    how much longer than its timeout an entry is kept, ms
--   error_name        of the attempt that is added: what its worker has met, '' for nothing
--   error_message
--   ids...            ids of the entries
-- Returns the number of ids that were looked at. The others are for another call.

-- include shared/attempt_errors.lua
-- include shared/deletable_at.lua
-- include shared/deliveries.lua
-- include shared/end_attempt.lua
-- include shared/fields.lua
-- include shared/lanes/lane.lua
-- include shared/now_ms.lua
-- include shared/page.lua

-- Returns whether legacy consumers may take the entry.
local function is_for_legacy(id, fields)
  if get_field(fields, 'listed') then return true end
  -- A legacy client writes one field.
  if #fields ~= 2 or fields[1] ~= 'event' or legacy_limit == '' then return false end
  return legacy_limit == '+' or not is_id_before(legacy_limit, id)
end

-- Leaves an entry to the legacy consumer that has its id, or to the id that comes later.
local function leave_to_legacy(id, fields)
  redis.call('ZADD', leftovers, string.format('%.0f', deletable_at(id, fields[2])), id)
  acknowledge_attempt(event_stream, group, id)
end

local function put_back(id, fields, is_contested)
  end_attempt(event_stream, group, id)
  fields = without_field(fields, 'listed')
  if not get_field(fields, 'origin') then set_field(fields, 'origin', id) end
  if attempts > 0 then
    local attempt = tonumber(get_field(fields, 'attempt')) or 1
    if error_name ~= '' then
      local before = get_field(fields, 'errors')
      set_field(fields, 'errors', with_attempt_error(before, error_name, error_message, attempt, now_ms()))
    end
    local abandoned = tonumber(get_field(fields, 'abandoned_attempts')) or 0
    set_field(fields, 'abandoned_attempts', math.min(abandoned, attempt - 1) + attempts)
    set_field(fields, 'attempt', attempt + attempts)
  end
  if is_contested then set_field(fields, 'listed', '1') end
  local again = redis.call('XADD', event_stream, '*', unpack(fields))
  local key = get_field(fields, 'ordering_key')
  if key then move_head(key, get_field(fields, 'origin'), again) end
  -- The entry is older than the others, so its id goes to the end from which legacy consumers pop.
  if is_contested then redis.call('RPUSH', message_queue, again) end
end

local bytes = 0
for i = ids_at, #ARGV do
  if bytes >= MAX_BYTES then return i - ids_at end
  local id = ARGV[i]
  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)[1]
  local is_owned = pending and (consumer == '' or pending[2] == consumer) and pending[3] >= min_idle
  local entry = is_owned and redis.call('XRANGE', event_stream, id, id)[1]
  -- No client writes more fields than Lua can pass on. Such an entry stays, and a worker finds it malformed.
  if entry and #entry[2] < MAX_FIELDS then
    local fields = entry[2]
    bytes = bytes + bytes_of(fields)
    local is_contested = pending[4] < WON and is_for_legacy(id, fields)
    if is_contested and redis.call('LREM', message_queue, -1, id) == 0 then leave_to_legacy(id, fields)
    else put_back(id, fields, is_contested) end
  elseif is_owned and not entry then
    -- Redis 6 keeps a deleted entry pending.
    acknowledge_attempt(event_stream, group, id)
  end
end
return #ARGV - ids_at + 1
