-- Keeps the inbox for as long as it is needed, and stores the answer of the batch.
-- KEYS: 2 producer hash  3 inbox; ARGV: 1 batch number  2 its slot there  3 TTL of the producer hash, ms
--       4 how long the inbox is needed, ms, or 0
local needed = tonumber(ARGV[4])
if needed > 0 then
  local left = redis.call('PTTL', KEYS[3])
  if left == -2 then
    -- The inbox must exist before the first reply: settle writes only to inboxes that exist, because a client
    -- without one is gone.
    redis.call('XDEL', KEYS[3], redis.call('XADD', KEYS[3], '*', 'created', ''))
  end
  -- The TTL is longer than needed, so that it need not be set with every batch.
  if left < needed then redis.call('PEXPIRE', KEYS[3], needed + 30000) end
end

local answer = table.concat(ids, ',')
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1] .. ' ' .. answer)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return answer
