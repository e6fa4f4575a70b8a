-- Puts entries back into the queue as new entries, so that a waiting reader is woken: entries that were handed out but
-- never started, or those of a worker that has gone, which count as an attempt. Their origin (the id of the first
-- entry) stays. An entry for which original consumers compete, and that no worker has won, is put back for them as well;
-- when its id is not in their list, one of them has it, or it will come later: then the entry stays.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 what to add to the number of attempts  3 consumer that must have them, '' for any
--       4 how long their lease must not have been renewed, ms  5 up to which id original consumers compete for the events
--       of original producers, '+' for all, '' for none  6 how much longer than its timeout an entry is kept, ms  7.. ids
-- Returns how many of the ids were looked at: the others are for another call.

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
  -- The original writes one field.
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
  -- More fields than Lua can pass on are not an entry of any client: it stays, to be found malformed.
  if entry and #entry[2] < 7000 then
    local fields = entry[2]
    bytes = bytes + bytes_of(fields)
    local is_open = pending[4] == 1 and is_competed_for(id, fields)
    if is_open and redis.call('LREM', list, -1, id) == 0 then
      local timeout = tonumber(string.match(fields[2], '"timeout":%s*(%d+)')) or LONGEST
      local deletable = string.match(id, '^%d+') + math.min(timeout, LONGEST) * 1000 + ARGV[6]
      redis.call('ZADD', leftovers, string.format('%.0f', deletable), id)
      redis.call('XACK', stream, group, id)
    else
      redis.call('XDEL', stream, id)
      redis.call('XACK', stream, group, id)
      fields = without(fields, 'listed')
      set(fields, 'origin', function(origin) return origin or id end)
      if more > 0 then set(fields, 'attempt', function(attempt) return (tonumber(attempt) or 1) + more end) end
      if is_open then set(fields, 'listed', function() return '1' end) end
      local again = redis.call('XADD', stream, '*', unpack(fields))
      -- At the end that is popped: it is older than the others.
      if is_open then redis.call('RPUSH', list, again) end
    end
  elseif taken and not entry then
    -- Redis 6 keeps an entry pending that was deleted.
    redis.call('XACK', stream, group, id)
  end
end
return #ARGV - 6
