-- Makes the consumer group, unless it is there. On a stream that the original has used it starts below the lowest id in
-- the list: the original never deletes what was consumed. What is older is looked through by clean_history; what comes
-- after, and is not newer than the group, is handed out only if its id is in the list.
-- KEYS: 1 event stream  2 message queue  3 history, hash
-- ARGV: 1 group
-- Returns the last id that was there before the group, '' when original consumers have taken nothing of that, or when all
-- of it has been handed out.

-- include shared/page.lua

local stream, list, history, group = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local PAGE = 1000

-- The original writes one field.
local function is_originals(fields) return #fields == 2 and fields[1] ~= 'due' end

local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, known in ipairs(groups.err and {} or groups) do
  if known[2] == group then
    local until_id = redis.pcall('HGET', history, 'until')
    return type(until_id) == 'string' and until_id or ''
  end
end

-- Of another type: better known before the first write than after it.
redis.call('XLEN', stream)
redis.call('HLEN', history)
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local start, until_id = '0', ''
local first, is_whole = page(stream, '-', '+', PAGE)
-- Whether something may have been consumed. Of a long stream, or list, only the beginning is looked at.
local is_used = not is_whole
local waiting = {}
for _, id in ipairs(redis.call('LRANGE', list, -PAGE, -1)) do waiting[id] = true end
for _, entry in ipairs(first) do
  is_used = is_used or (entry[2][1] == 'event' and is_originals(entry[2]) and not waiting[entry[1]])
end
if is_used then
  until_id = last[1]
  -- A stream that begins with an entry of ours is ours to read from there.
  if is_originals(first[1][2]) then
    local lowest = math.huge
    for from = 0, redis.call('LLEN', list) - 1, PAGE do
      for _, id in ipairs(redis.call('LRANGE', list, from, from + PAGE - 1)) do
        local time = string.match(id, '^(%d+)%-%d+$')
        if time and tonumber(time) < lowest then lowest = tonumber(time) end
      end
    end
    start = until_id
    if lowest == 0 then start = '0'
    elseif lowest < math.huge then start = string.format('%.0f-18446744073709551615', lowest - 1) end
    redis.call('HSET', history, 'from', '-', 'start', start)
  end
  redis.call('HSET', history, 'until', until_id)
end
redis.call('XGROUP', 'CREATE', stream, group, start, 'MKSTREAM')
return until_id
