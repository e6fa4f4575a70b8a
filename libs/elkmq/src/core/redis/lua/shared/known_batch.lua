-- A batch that is known is answered as it was then. KEYS: 2 producer hash; ARGV: 1 batch number  2 how many can be in flight
local number, place = tonumber(ARGV[1]), ARGV[1] % ARGV[2]
local known = redis.call('HGET', KEYS[2], place)
if known then
  local stored, ids = string.match(known, '^(%d+) (.*)$')
  if tonumber(stored) == number then
    -- A write, after which WAIT counts the replicas that have what was stored before.
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    return ids
  end
  if tonumber(stored) > number then return redis.error_reply('STALE batch ' .. ARGV[1]) end
end
