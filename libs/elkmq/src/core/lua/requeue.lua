-- Puts entries that were handed out but never started back into the queue, as new entries, so that a waiting reader
-- is woken. Their origin (the id of the first entry) stays, and so does the number of attempts.
-- KEYS: 1 event stream
-- ARGV: 1 group  2.. ids
-- Returns the number of entries put back.
redis.replicate_commands()

local count = 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry and redis.call('XDEL', KEYS[1], id) == 1 then
    local fields, has_origin = entry[2], false
    for f = 1, #fields, 2 do
      if fields[f] == 'origin' then has_origin = true end
    end
    if not has_origin then
      fields[#fields + 1] = 'origin'
      fields[#fields + 1] = id
    end
    redis.call('XADD', KEYS[1], '*', unpack(fields))
    count = count + 1
  end
  redis.pcall('XACK', KEYS[1], ARGV[1], id)
end
return count
