-- Puts delayed messages that are due into the queue, the earliest first. Many workers may do it at once.
-- KEYS: 1 event stream  2 delayed, zset: origin by time  3 delayed, hash: origin -> fields as JSON
-- ARGV: 1 how many at the most  2 about how many bytes at the most
-- Returns the time until the next message is due, ms: 0 when it is due already, -1 when there is none.

-- include shared/are_fields.lua

local stream, delayed, bodies = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local size = 0
for _, origin in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local body = redis.call('HGET', bodies, origin)
  if body then
    size = size + #body
    if size > tonumber(ARGV[2]) and size > #body then break end
    local read, fields = pcall(cjson.decode, body)
    -- A message that cannot be read is put into the queue too. The worker that takes it finds it malformed.
    if not read or not are_fields(fields) then fields = { 'event', body, 'origin', origin } end
    -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
    redis.call('XADD', stream, '*', unpack(fields))
  end
  redis.call('ZREM', delayed, origin)
  redis.call('HDEL', bodies, origin)
end

local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
if #first == 0 then return -1 end
return math.max(first[2] - now, 0)
