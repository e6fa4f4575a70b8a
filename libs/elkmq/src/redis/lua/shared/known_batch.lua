-- Returns the first answer again when the batch is known.
-- KEYS: 2 producer hash; ARGV: 1 batch number  2 its slot there  3 TTL of the producer hash, ms
local known = redis.call('HGET', KEYS[2], ARGV[2])
if known then
  local stored = string.match(known, '^%d+')
  if stored == ARGV[1] then
    -- WAIT counts the replicas that have the last write of this connection, so the script has to write here.
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    return string.sub(known, #stored + 2)
  end
  if tonumber(stored) > tonumber(ARGV[1]) then return redis.error_reply('STALE batch ' .. ARGV[1]) end
end
