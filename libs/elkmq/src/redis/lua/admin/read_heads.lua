-- Reads what is known of the heads of lanes, and writes nothing.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   dead_letters
--   dead_letter_bodies
-- ARGV
--   group
--   heads...          per head: origin, entry
--                     `entry` is the id of its entry, 'd' when it is delayed, 'x' when it is a dead letter.
-- Returns per head: its state, '' when it is not there any more, the number of its attempt, and the time of
-- death of a dead letter in ms, else ''.

-- include shared/fields.lua
-- include shared/is_pending.lua

local answer = {}
for i = heads_at, #ARGV, 2 do
  local origin, entry = ARGV[i], ARGV[i + 1]
  local state, fields, attempt, died_at = '', nil, nil, ''
  if entry == 'd' then
    local body = redis.call('ZSCORE', delayed, origin) and redis.call('HGET', delayed_bodies, origin)
    local is_json, decoded = pcall(cjson.decode, body or '')
    if is_json and are_fields(decoded) then state, fields = 'delayed', decoded end
  elseif entry == 'x' then
    died_at = redis.call('ZSCORE', dead_letters, origin) or ''
    if died_at ~= '' then state = 'dead' end
    attempt = string.match(redis.call('HGET', dead_letter_bodies, origin) or '', '"attempts":(%d+)')
  else
    local found = redis.call('XRANGE', event_stream, entry, entry)[1]
    if found then
      state = is_pending(event_stream, group, entry) and 'running' or 'waiting'
      fields = found[2]
    end
  end
  answer[#answer + 1] = state
  if fields then attempt = get_field(fields, 'attempt') end
  answer[#answer + 1] = attempt or '1'
  answer[#answer + 1] = died_at
end
return answer
