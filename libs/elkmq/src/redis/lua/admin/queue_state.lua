-- Reads the state of a queue, and writes nothing.
-- KEYS: 1 event stream  2 response stream  3 delayed, zset  4 dead letters, zset
--       5 workers, hash: worker -> JSON
-- ARGV: 1 group
-- Returns { entries, responses, pending, id of the first entry that nobody has taken or '', delayed, dead
-- letters, now in ms, workers }.
-- Legacy responses are entries of the event stream too, but no messages: the caller subtracts them.

-- include shared/is_live.lua

-- include shared/after.lua

local pending, oldest = 0, ''
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
local last = '0-0'
if not groups.err then
  for _, group in ipairs(groups) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    if info['name'] == ARGV[1] then pending, last = info['pending'], info['last-delivered-id'] end
  end
end
local next_entry = redis.call('XRANGE', KEYS[1], after(last), '+', 'COUNT', 1)[1]
if next_entry then oldest = next_entry[1] end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local members, workers = redis.call('HGETALL', KEYS[5]), 0
for i = 2, #members, 2 do
  if is_live(members[i], now) then workers = workers + 1 end
end
return {
  redis.call('XLEN', KEYS[1]),
  redis.call('XLEN', KEYS[2]),
  pending,
  oldest,
  redis.call('ZCARD', KEYS[3]),
  redis.call('ZCARD', KEYS[4]),
  now,
  workers,
}
