-- Puts dead letters back into the queue, each as a new message: its attempts start at 1, its time is now, and
-- nobody waits for a reply. Each letter is deleted with that, so two callers at once revive it only once.
-- KEYS: 1 event stream  2 dead letters, zset  3 dead letters, hash
-- ARGV: 1 bytes of JSON after which no further letter is put back  2.. origins
-- Returns two values: the number of letters put back, and the number of origins that were looked at.

-- include shared/are_fields.lua

local START_ANEW = { origin = true, attempt = true, deduplication = true, listed = true }

local function revived(body)
  local old = cjson.decode(body).fields
  if not are_fields(old) then return nil end
  local fields, is_ours = {}, false
  for i = 1, #old, 2 do
    local name, value = old[i], old[i + 1]
    if name == 'reply_to' then
      value, is_ours = '', true
    end
    if not START_ANEW[name] then fields[#fields + 1], fields[#fields + 2] = name, value end
  end
  -- A legacy event becomes a message of this package, because its id is not in the message queue any more.
  if not is_ours then fields[#fields + 1], fields[#fields + 2] = 'reply_to', '' end
  return fields
end

local budget, count = tonumber(ARGV[1]), 0
for i = 2, #ARGV do
  if budget <= 0 then return { count, i - 2 } end
  local body = redis.call('HGET', KEYS[3], ARGV[i])
  local readable, fields = pcall(revived, body)
  -- A letter that this package cannot read stays.
  if body and readable and fields then
    -- XADD comes first: when its memory is full, Redis refuses a script only at the first write.
    redis.call('XADD', KEYS[1], '*', unpack(fields))
    redis.call('HDEL', KEYS[3], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    count = count + 1
    budget = budget - #body
  end
end
return { count, #ARGV - 1 }
