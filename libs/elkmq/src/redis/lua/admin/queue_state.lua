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
-- Returns names and values in turn:
--   entries           entries of the event stream. Legacy responses are among them, but are no messages: the
--                     caller subtracts them
--   responses         legacy responses
--   running           pending entries
--   oldest            the id of the first message in the stream that nobody has taken, or ''. Behind many entries
--                     that are no messages it is the id of another such entry
--   delayed           delayed messages
--   deadLetters       dead letters
--   now               the time, ms
--   workers           live workers
--   behindKeys        messages that wait behind another one of their ordering key
--   blockedKeys       ordering keys with such messages
--   olderWorkers      workers that know no ordering keys, while there are messages with keys
--   moving            messages on their way to another queue
--   paused            the time since which the queue is paused, ms, or ''
--   by                whoever paused it, or ''
--   concurrency       the limit of the concurrency, or ''
--   rate              the limit of the rate, or ''
--   per               the time of the rate, ms, or ''
--   waitsFor          the queue that all its workers wait for, or ''

-- include shared/group_info.lua
-- include shared/is_live.lua
-- include shared/now_ms.lua
-- include shared/stream_ids.lua

local info = group_info(event_stream, group) or { ['pending'] = 0, ['last-delivered-id'] = '0-0' }
-- So many entries that are no messages are passed over: nudges, and legacy responses.
local MAX_PASSED = 100

-- Returns the id of the first message that nobody has taken, '' when there is none.
local function find_oldest()
  local from, found = id_after(info['last-delivered-id']), nil
  for _ = 0, MAX_PASSED do
    found = redis.call('XRANGE', event_stream, from, '+', 'COUNT', 1)[1]
    if not found then return '' end
    local fields = found[2]
    if fields[1] ~= 'due' and not (fields[1] == 'response' and #fields == 2) then break end
    from = id_after(found[1])
  end
  return found[1]
end

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
  'entries', redis.call('XLEN', event_stream),
  'responses', redis.call('XLEN', response_stream),
  'running', info['pending'],
  'oldest', find_oldest(),
  'delayed', redis.call('ZCARD', delayed),
  'deadLetters', redis.call('ZCARD', dead_letters),
  'now', now,
  'workers', live,
  'behindKeys', redis.call('HLEN', lane_bodies),
  'blockedKeys', tonumber(redis.call('HGET', lanes, '') or 0),
  'olderWorkers', older,
  'moving', redis.call('XLEN', moving),
  'paused', wanted[1] or '',
  'by', wanted[2] or '',
  'concurrency', wanted[3] or '',
  'rate', wanted[4] or '',
  'per', wanted[5] or '',
  'waitsFor', waiters == live and waits_for or '',
}
