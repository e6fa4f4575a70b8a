-- Puts chosen delayed messages into the queue now, whenever they are due.
-- KEYS: 1 event stream  2 delayed, zset  3 delayed, hash: origin -> fields as JSON
-- ARGV: 1 bytes after which no further message is put into the queue  2.. origins
-- Returns two values: the number of messages put into the queue, and the number of origins that were looked at.

-- include shared/are_fields.lua

local count, bytes = 0, 0
for i = 2, #ARGV do
  local origin = ARGV[i]
  if bytes >= tonumber(ARGV[1]) then return { count, i - 2 } end
  local body = redis.call('ZSCORE', KEYS[2], origin) and redis.call('HGET', KEYS[3], origin)
  if body then
    bytes = bytes + #body
    local read, fields = pcall(cjson.decode, body)
    -- A message that cannot be read is put into the queue too. The worker that takes it finds it malformed.
    if not read or not are_fields(fields) then fields = { 'event', body, 'origin', origin } end
    -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
    redis.call('XADD', KEYS[1], '*', unpack(fields))
    redis.call('ZREM', KEYS[2], origin)
    redis.call('HDEL', KEYS[3], origin)
    count = count + 1
  end
end
return { count, #ARGV - 1 }
