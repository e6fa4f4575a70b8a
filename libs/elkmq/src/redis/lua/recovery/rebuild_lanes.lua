-- Looks for messages that wait behind an ordering key and that its lane does not know, because somebody
-- deleted lanes by hand. The lane gets them back. A lane that is gone gets a head that does not exist, and
-- `heal_lanes` lets its first message go on.
-- KEYS
--   lanes
--   lane_bodies
-- ARGV
--   cursor            of the step before, '0' at first
--   count: number     of messages to look at, about
-- Returns { cursor of the next step, number of messages that were found }.

-- include shared/lanes/lane.lua

local NO_HEAD = '0-0'

local next_cursor, fields = unpack(redis.call('HSCAN', lane_bodies, cursor, 'COUNT', count))
local found = 0
for i = 1, #fields, 2 do
  local digits, key = string.match(fields[i], '^(%d+) (.+)$')
  local number = tonumber(digits)
  if number then
    local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))
    if not head then head, entry, first, last = NO_HEAD, NO_HEAD, 1, 0 end
    if number < first or number > last then
      found = found + 1
      if first > last then
        count_blocked(1)
        first, last = number, number
      end
      set_lane(key, head, entry, math.min(first, number), math.max(last, number))
    end
  end
end
-- Nothing waits: no lane has messages that wait. The count can be wrong after deletion by hand.
if #fields == 0 and redis.call('HLEN', lane_bodies) == 0 then redis.call('HDEL', lanes, '') end
return { next_cursor, found }
