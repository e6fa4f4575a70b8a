-- Keeps the order of one sender: ends the script with an error when the batch before is not stored yet, or
-- when a later one is. The field `ordered` of the producer hash is the number of the last batch with
-- ordering keys that was stored.
-- KEYS
--   producer
-- ARGV
--   batch
--   after: number

if after >= 0 then
  local ordered = tonumber(redis.call('HGET', producer, 'ordered') or 0)
  if ordered < after then return redis.error_reply('EARLY batch ' .. batch) end
  if ordered > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end
end
