-- Looks at the tail of the original's list for ids that no worker will find there by itself: those whose entry has gone,
-- and those that came so late that their entry had been passed over. The latter is put into the queue again.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 how many at the most
-- Returns how many there were.

local stream, list, leftovers, group = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local function parts(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(time), tonumber(number)
end

local function set(fields, name, value)
  for f = 1, #fields, 2 do
    if fields[f] == name then
      fields[f + 1] = value
      return
    end
  end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

local delivered
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, known in ipairs(groups.err and {} or groups) do
  if known[2] == group then delivered = known[8] end
end
-- Without a group there are original clients only, and what they have in the list is theirs.
if not delivered then return 0 end
local last_time, last_number = parts(delivered)

local count = 0
for _, id in ipairs(redis.call('LRANGE', list, -ARGV[2], -1)) do
  local time, number = parts(id)
  if not time then
    redis.call('LREM', list, -1, id)
    count = count + 1
  elseif (time < last_time or (time == last_time and number <= last_number))
    and #redis.call('XPENDING', stream, group, id, id, 1) == 0 then
    local entry = redis.call('XRANGE', stream, id, id)[1]
    redis.call('LREM', list, -1, id)
    if entry and #entry[2] < 7000 then
      local fields = entry[2]
      redis.call('XDEL', stream, id)
      set(fields, 'origin', id)
      set(fields, 'listed', '1')
      local again = redis.call('XADD', stream, '*', unpack(fields))
      redis.call('RPUSH', list, again)
      local deletable = redis.call('ZSCORE', leftovers, id)
      if deletable then
        redis.call('ZREM', leftovers, id)
        redis.call('ZADD', leftovers, deletable, again)
      end
    end
    count = count + 1
  end
end
return count
