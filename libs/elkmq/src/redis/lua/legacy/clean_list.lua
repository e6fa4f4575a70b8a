-- Looks at a page of the message queue, from its tail on, for ids that no worker finds by itself. The entry
-- of such an id is gone, or workers passed the entry over because its id came late. A late id is put into the
-- queue again.
-- KEYS: 1 event stream  2 message queue  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 how many ids at the tail are skipped  3 how many ids to look at, at the most
-- Returns two values: the number of such ids, and the number of ids to skip for the next page, '' when there
-- is none. A script that has read many bytes leaves the rest of the page to the next call.

-- include shared/page.lua

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
-- Without a group there are only legacy clients, and the message queue is theirs.
if not delivered then return { 0, '' } end
local last_time, last_number = parts(delivered)

local skip, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local page = redis.call('LRANGE', list, -skip - limit, -skip - 1)
local count, kept, bytes = 0, 0, 0
for _, id in ipairs(page) do
  if bytes >= MAX_BYTES then return { count, string.format('%d', skip) } end
  local time, number = parts(id)
  if not time then
    redis.call('LREM', list, -1, id)
    count = count + 1
  elseif time > last_time or (time == last_time and number > last_number)
    or #redis.call('XPENDING', stream, group, id, id, 1) > 0 then
    kept = kept + 1
  else
    local entry = redis.call('XRANGE', stream, id, id)[1]
    redis.call('LREM', list, -1, id)
    if entry and #entry[2] < 7000 then
      local fields = entry[2]
      bytes = bytes + bytes_of(fields)
      redis.call('XDEL', stream, id)
      set(fields, 'origin', id)
      set(fields, 'listed', '1')
      local again = redis.call('XADD', stream, '*', unpack(fields))
      redis.call('RPUSH', list, again)
      kept = kept + 1
      local deletable = redis.call('ZSCORE', leftovers, id)
      if deletable then
        redis.call('ZREM', leftovers, id)
        redis.call('ZADD', leftovers, deletable, again)
      end
    end
    count = count + 1
  end
end
return { count, #page < limit and '' or string.format('%d', skip + kept) }
