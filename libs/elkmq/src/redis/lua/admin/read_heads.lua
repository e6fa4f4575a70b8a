-- Reads what is known of the heads of lanes, and writes nothing.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
-- ARGV
--   group
--   heads...          per head: origin, entry
--                     `entry` is the id of its entry, 'd' when it is delayed.
-- Returns per head: its state, '' when it is not there any more, and the number of its attempt.

-- include shared/fields.lua

local function state_of(entry)
  -- XPENDING fails when there is no group. Then nobody has taken anything.
  local pending = redis.pcall('XPENDING', event_stream, group, entry, entry, 1)
  return (pending.err or #pending == 0) and 'waiting' or 'running'
end

local answer = {}
for i = heads_at, #ARGV, 2 do
  local origin, entry = ARGV[i], ARGV[i + 1]
  local state, fields = '', nil
  if entry == 'd' then
    local body = redis.call('ZSCORE', delayed, origin) and redis.call('HGET', delayed_bodies, origin)
    local is_json, decoded = pcall(cjson.decode, body or '')
    if is_json and are_fields(decoded) then state, fields = 'delayed', decoded end
  else
    local found = redis.call('XRANGE', event_stream, entry, entry)[1]
    if found then state, fields = state_of(entry), found[2] end
  end
  answer[#answer + 1] = state
  answer[#answer + 1] = fields and get_field(fields, 'attempt') or '1'
end
return answer
