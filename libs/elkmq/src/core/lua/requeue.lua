-- Puts entries back into the queue as new entries, so that a waiting reader is woken: entries that were handed out but
-- never started, or those of a worker that has gone, which count as an attempt. Their origin (the id of the first
-- entry) stays.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 what to add to the number of attempts  3 consumer that must have them, '' for any
--       4 how long their lease must not have been renewed, ms  5.. ids
-- Returns the number of entries put back.
redis.replicate_commands()

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

local stream, group, more, consumer = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local count = 0
for i = 5, #ARGV do
  local id = ARGV[i]
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)[1]
  local taken = pending and (consumer == '' or pending[2] == consumer) and pending[3] >= tonumber(ARGV[4])
  local entry = taken and redis.call('XRANGE', stream, id, id)[1]
  -- More fields than Lua can pass on are not an entry of any client: it stays, to be found malformed.
  if entry and #entry[2] < 7000 then
    redis.call('XDEL', stream, id)
    redis.call('XACK', stream, group, id)
    local fields = entry[2]
    set(fields, 'origin', function(origin) return origin or id end)
    if more > 0 then set(fields, 'attempt', function(attempt) return (tonumber(attempt) or 1) + more end) end
    redis.call('XADD', stream, '*', unpack(fields))
    count = count + 1
  elseif taken and not entry then
    -- Redis 6 keeps an entry pending that was deleted.
    redis.call('XACK', stream, group, id)
  end
end
return count
