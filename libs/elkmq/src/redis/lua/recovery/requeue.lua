-- Puts entries back into the queue as new entries, so that a waiting reader wakes up. They were handed out
-- and never started, or their worker is gone, which counts as an attempt. Their origin (the id of the first
-- entry) stays. An entry that legacy consumers may take, and that no worker has won, is put back for them
-- too. When its id is not in the message queue, one of them has it or the id comes later: the entry stays.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 attempts to add  3 consumer that must own the entries, '' for any
--       4 least time since the last renewal of their lease, ms
--       5 up to which id legacy consumers may take events of legacy producers, '+' for all, '' for none
--       6 how much longer than its timeout an entry is kept, ms  7.. ids
-- Returns the number of ids that were looked at. The others are for another call.

-- include shared/end_attempt.lua
-- include shared/page.lua

local LONGEST = 65535

local function set(fields, name, value)
  for f = 1, #fields, 2 do
    if fields[f] == name then
      fields[f + 1] = value(fields[f + 1])
      return
    end
  end
  fields[#fields + 1] = name
  fields[#fields + 1] = value(nil)
end

local function without(fields, name)
  local rest = {}
  for f = 1, #fields, 2 do
    if fields[f] ~= name then
      rest[#rest + 1] = fields[f]
      rest[#rest + 1] = fields[f + 1]
    end
  end
  return rest
end

local function is_up_to(id, last)
  if last == '' or last == '+' then return last == '+' end
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  local last_time, last_number = string.match(last, '^(%d+)%-(%d+)$')
  if time ~= last_time then return tonumber(time) < tonumber(last_time) end
  return tonumber(number) <= tonumber(last_number)
end

local function is_competed_for(id, fields)
  for f = 1, #fields, 2 do
    if fields[f] == 'listed' then return true end
  end
  -- A legacy client writes one field.
  return #fields == 2 and fields[1] == 'event' and is_up_to(id, ARGV[5])
end

local stream, list, leftovers, group = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local more, consumer = tonumber(ARGV[2]), ARGV[3]
local bytes = 0
for i = 7, #ARGV do
  if bytes >= MAX_BYTES then return i - 7 end
  local id = ARGV[i]
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)[1]
  local taken = pending and (consumer == '' or pending[2] == consumer) and pending[3] >= tonumber(ARGV[4])
  local entry = taken and redis.call('XRANGE', stream, id, id)[1]
  -- No client writes more fields than Lua can pass on. Such an entry stays, and a worker finds it malformed.
  if entry and #entry[2] < 7000 then
    local fields = entry[2]
    bytes = bytes + bytes_of(fields)
    local is_open = pending[4] == 1 and is_competed_for(id, fields)
    if is_open and redis.call('LREM', list, -1, id) == 0 then
      local timeout = tonumber(string.match(fields[2], '"timeout":%s*(%d+)')) or LONGEST
      local deletable = string.match(id, '^%d+') + math.min(timeout, LONGEST) * 1000 + ARGV[6]
      redis.call('ZADD', leftovers, string.format('%.0f', deletable), id)
      acknowledge_attempt(stream, group, id)
    else
      end_attempt(stream, group, id)
      fields = without(fields, 'listed')
      set(fields, 'origin', function(origin) return origin or id end)
      if more > 0 then set(fields, 'attempt', function(attempt) return (tonumber(attempt) or 1) + more end) end
      if is_open then set(fields, 'listed', function() return '1' end) end
      local again = redis.call('XADD', stream, '*', unpack(fields))
      -- The entry is older than the others, so its id goes to the end from which legacy consumers pop.
      if is_open then redis.call('RPUSH', list, again) end
    end
  elseif taken and not entry then
    -- Redis 6 keeps a deleted entry pending.
    acknowledge_attempt(stream, group, id)
  end
end
return #ARGV - 6
