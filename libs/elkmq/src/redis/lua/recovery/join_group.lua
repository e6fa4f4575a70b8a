-- Makes the consumer group, unless it is there. On a stream that legacy consumers have used, the group starts
-- below the lowest id in the message queue, because they never delete what they took. Older entries are for
-- clean_history. Entries between the start and the present end of the stream are handed out only if their ids
-- are in the message queue.
-- KEYS
--   event_stream
--   message_queue
--   history
-- ARGV
--   group
-- Returns the last id that was there before the group. Returns '' when legacy consumers had taken nothing
-- before, and when all entries of that time have been handed out.

-- include shared/group_info.lua
-- include shared/page.lua

local PAGE = 1000

if group_info(event_stream, group) then
  local until_id = redis.pcall('HGET', history, 'until')
  return type(until_id) == 'string' and until_id or ''
end

-- A legacy client writes one field.
local function is_legacy(fields) return #fields == 2 and fields[1] ~= 'due' end

-- Returns the time in the lowest id of the message queue, math.huge when there is none.
local function lowest_time()
  local lowest = math.huge
  for from = 0, redis.call('LLEN', message_queue) - 1, PAGE do
    for _, id in ipairs(redis.call('LRANGE', message_queue, from, from + PAGE - 1)) do
      lowest = math.min(lowest, parts_of_id(id) or math.huge)
    end
  end
  return lowest
end

-- These reads fail on a key of another type, before the script has written anything.
redis.call('XLEN', event_stream)
redis.call('HLEN', history)
local last = redis.call('XREVRANGE', event_stream, '+', '-', 'COUNT', 1)[1]
local start, until_id = '0', ''
local first, is_whole = read_page(event_stream, '-', '+', PAGE)
-- `is_used` says whether a legacy consumer may have taken something. The script looks only at one page of the
-- stream and of the message queue: a stream that is longer counts as used.
local is_used = not is_whole
local waiting = {}
for _, id in ipairs(redis.call('LRANGE', message_queue, -PAGE, -1)) do waiting[id] = true end
for _, entry in ipairs(first) do
  is_used = is_used or (entry[2][1] == 'event' and is_legacy(entry[2]) and not waiting[entry[1]])
end
if is_used then
  until_id = last[1]
  -- When the first entry is one of this package, the group can read the stream from its beginning.
  if is_legacy(first[1][2]) then
    local lowest = lowest_time()
    start = until_id
    if lowest == 0 then start = '0'
    elseif lowest < math.huge then start = string.format('%.0f-18446744073709551615', lowest - 1) end
    redis.call('HSET', history, 'from', '-', 'start', start)
  end
  redis.call('HSET', history, 'until', until_id)
end
redis.call('XGROUP', 'CREATE', event_stream, group, start, 'MKSTREAM')
return until_id
