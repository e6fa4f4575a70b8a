-- A batch that is known is answered as it was then. KEYS: 2 producer hash; ARGV: 1 batch number  2 its place there
local known = redis.call('HGET', KEYS[2], ARGV[2])
if known then
  local stored = string.match(known, '^%d+')
  if stored == ARGV[1] then
    -- A write, after which WAIT counts the replicas that have what was stored before.
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    return string.sub(known, #stored + 2)
  end
  if tonumber(stored) > tonumber(ARGV[1]) then return redis.error_reply('STALE batch ' .. ARGV[1]) end
end
