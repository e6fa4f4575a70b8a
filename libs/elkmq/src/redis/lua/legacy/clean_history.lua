-- Looks at the entries that are older than the group, a page a call. Messages of this package go into the
-- queue. Legacy entries were taken by legacy consumers: they are deleted when their time has passed. When
-- everything that was there before the group has been handed out, the history is deleted.
-- KEYS: 1 event stream  2 history, hash  3 leftovers, zset: id by when it can be deleted, ms
-- ARGV: 1 group  2 how much longer than its timeout an entry is kept, ms  3 how many entries at the most
-- Returns 1 when there is more to look at, else 0.

-- include shared/page.lua

local stream, history, leftovers = KEYS[1], KEYS[2], KEYS[3]
local LONGEST = 65535

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local from, start, until_id = unpack(redis.call('HMGET', history, 'from', 'start', 'until'))
if not until_id then return 0 end

if not from then
  for _, known in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if known[2] == ARGV[1] then
      -- Nothing may be left between the entry that was delivered last and the end of the history.
      local next_id = redis.call('XRANGE', stream, after(known[8]), until_id, 'COUNT', 1)
      local pending = redis.call('XPENDING', stream, ARGV[1], '-', until_id, 1)
      if #next_id == 0 and #pending == 0 then redis.call('DEL', history) end
    end
  end
  return 0
end

local entries, is_end = page(stream, from, start, tonumber(ARGV[3]))
for _, entry in ipairs(entries) do
  local id, fields = entry[1], entry[2]
  local names = {}
  for f = 1, #fields, 2 do names[fields[f]] = fields[f + 1] end
  if names.due and not names.event then
    redis.call('XDEL', stream, id)
  elseif #fields > 2 and #fields < 7000 and not names.listed then
    redis.call('XDEL', stream, id)
    if not names.origin then
      fields[#fields + 1] = 'origin'
      fields[#fields + 1] = id
    end
    redis.call('XADD', stream, '*', unpack(fields))
  else
    local timeout = string.match(names.event or names.response or '', '"timeout":%s*(%d+)')
    local deletable = string.match(id, '^%d+') + math.min(tonumber(timeout) or LONGEST, LONGEST) * 1000 + ARGV[2]
    if deletable < now then redis.call('XDEL', stream, id)
    else redis.call('ZADD', leftovers, string.format('%.0f', deletable), id) end
  end
end
if is_end then redis.call('HDEL', history, 'from', 'start')
else redis.call('HSET', history, 'from', after(entries[#entries][1])) end
return 1
