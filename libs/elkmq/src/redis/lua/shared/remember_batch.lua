-- Ends a script that has stored a batch: stores its `ids` as the answer of the batch, and returns them. Keeps
-- the inbox for as long as it is needed.
-- KEYS
--   producer
--   inbox?            when a reply is wanted
-- ARGV
--   batch
--   answer_field
--   answer_ttl_ms
--   inbox_needed: number   time for which the inbox is needed, ms; 0 when no reply is wanted

if inbox_needed > 0 then
  local left = redis.call('PTTL', inbox)
  if left == -2 then
    -- The inbox must exist before the first reply: settle writes only to inboxes that exist, because a client
    -- without one is gone.
    redis.call('XDEL', inbox, redis.call('XADD', inbox, '*', 'created', ''))
  end
  -- The TTL is longer than needed, so that it need not be set with every batch.
  if left < inbox_needed then redis.call('PEXPIRE', inbox, inbox_needed + 30000) end
end
local answer = table.concat(ids, ',')
redis.call('HSET', producer, answer_field, batch .. ' ' .. answer)
redis.call('PEXPIRE', producer, answer_ttl_ms)
return answer
