-- Reads the state of a queue, and writes nothing.
-- KEYS
--   event_stream
--   response_stream
--   delayed
--   dead_letters
--   workers
--   lanes
--   lane_bodies
--   control
--   moving
-- ARGV
--   group
--   ordering_keys     the feature of workers that know ordering keys
-- Returns { entries, responses, pending, id of the first entry that nobody has taken or '', delayed, dead
-- letters, now in ms, workers, messages that wait behind another one of their ordering key, ordering keys
-- with such messages, workers that know no ordering keys while there are messages with keys, messages on
-- their way to another queue, then fields of the control or '': the time since which the queue is paused in
-- ms, whoever paused it, the limit of the concurrency, that of the rate, and its time in ms; then the queue
-- that all its workers wait for, or '' }. Legacy responses are entries of the event stream too, but no
-- messages: the caller subtracts them.

-- include shared/group_info.lua
-- include shared/is_live.lua
-- include shared/now_ms.lua
-- include shared/stream_ids.lua

local info = group_info(event_stream, group) or { ['pending'] = 0, ['last-delivered-id'] = '0-0' }
local next_id = id_after(info['last-delivered-id'])
local next_entry = redis.call('XRANGE', event_stream, next_id, '+', 'COUNT', 1)[1]
local now = now_ms()
local members, live, older = redis.call('HGETALL', workers), 0, 0
local waiters, waits_for = 0, ''
local has_keys = redis.call('EXISTS', lanes) == 1
for i = 2, #members, 2 do
  if is_live(members[i], now) then
    live = live + 1
    -- In the name of a handler the quotes would be escaped.
    if string.find(members[i], '"waitsFor":"', 1, true) then
      local is_json, description = pcall(cjson.decode, members[i])
      if is_json then waiters, waits_for = waiters + 1, description.waitsFor end
    end
    if has_keys and not string.find(members[i], '"' .. ordering_keys .. '"', 1, true) then older = older + 1 end
  end
end
local wanted = redis.call('HMGET', control, 'paused', 'by', 'concurrency', 'rate', 'per')
return {
  redis.call('XLEN', event_stream),
  redis.call('XLEN', response_stream),
  info['pending'],
  next_entry and next_entry[1] or '',
  redis.call('ZCARD', delayed),
  redis.call('ZCARD', dead_letters),
  now,
  live,
  redis.call('HLEN', lane_bodies),
  tonumber(redis.call('HGET', lanes, '') or 0),
  older,
  redis.call('XLEN', moving),
  wanted[1] or '',
  wanted[2] or '',
  wanted[3] or '',
  wanted[4] or '',
  wanted[5] or '',
  waiters == live and waits_for or '',
}
