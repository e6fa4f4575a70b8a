-- Reads the busy lanes in which messages wait. Retention reaches the messages of every other lane in the
-- stream: when it deletes the head, the next one comes there.
-- KEYS
--   event_stream
--   lanes
-- ARGV
--   group
--   cursor            of the step before, '0' at first
--   count: number     of lanes to look at, about
-- Returns the cursor of the next step, and the lanes: of each its key, the origin of its head, and how many
-- messages wait.

-- include shared/lanes/busy.lua
-- include shared/lanes/lane.lua
-- include shared/last_taken.lua

local next_cursor, fields = unpack(redis.call('HSCAN', lanes, cursor, 'COUNT', count))
local found, taken = {}, last_taken(event_stream, group)
for i = 1, #fields, 2 do
  local head, entry, first, last = parse_lane(fields[i + 1])
  if head and fields[i] ~= '' and first <= last and is_busy(entry, taken) then
    found[#found + 1] = { fields[i], head, last - first + 1 }
  end
end
return { next_cursor, found }
