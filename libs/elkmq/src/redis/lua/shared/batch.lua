-- Makes the storing of a batch repeatable. The producer hash remembers the last answer in each slot.
-- KEYS
--   producer          hash: slot -> number of the batch, and its answer
--   inbox?            when a reply is wanted
-- ARGV
--   batch             number of the batch
--   slot              field of the producer hash that remembers the answer
--   memory: number    TTL of the producer hash, ms
--   inbox_needed: number   time for which the inbox is needed, ms; 0 when no reply is wanted

-- Returns the first answer again when the batch is known. Returns an error when a later batch has the slot.
local function known_answer()
  local known = redis.call('HGET', producer, slot)
  if not known then return nil end
  local stored = string.match(known, '^%d+')
  if stored == batch then
    -- WAIT counts the replicas that have the last write of this connection, so the script has to write here.
    redis.call('PEXPIRE', producer, memory)
    return string.sub(known, #stored + 2)
  end
  if tonumber(stored) > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end
end

-- Keeps the inbox for as long as it is needed.
local function keep_inbox()
  local left = redis.call('PTTL', inbox)
  if left == -2 then
    -- The inbox must exist before the first reply: settle writes only to inboxes that exist, because a client
    -- without one is gone.
    redis.call('XDEL', inbox, redis.call('XADD', inbox, '*', 'created', ''))
  end
  -- The TTL is longer than needed, so that it need not be set with every batch.
  if left < inbox_needed then redis.call('PEXPIRE', inbox, inbox_needed + 30000) end
end

-- Stores the ids as the answer of the batch, and returns it.
local function remember_answer(ids)
  if inbox_needed > 0 then keep_inbox() end
  local answer = table.concat(ids, ',')
  redis.call('HSET', producer, slot, batch .. ' ' .. answer)
  redis.call('PEXPIRE', producer, memory)
  return answer
end
