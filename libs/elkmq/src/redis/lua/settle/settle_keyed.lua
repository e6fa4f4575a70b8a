-- Finishes attempts like settle, and lets the next message of each ordering key go on.
-- KEYS
--   event_stream
--   lanes
--   lane_bodies
--   cancelled
--   inboxes...
-- ARGV
--   group
--   first             as in settle
--   stop
--   keyed             JSON array of the attempts with an ordering key: id, key and origin of each in turn
--   inbox_settlements...  per inbox: inbox: number, replies, ids...
-- Returns the ids of the attempts whose worker does not own the entry any more.

-- include shared/lanes/release.lua
-- include shared/add_replies.lua
-- include shared/end_attempt.lua
-- include shared/settlement.lua
local is_lost = {}
for _, id in ipairs(lost) do is_lost[id] = true end
keyed = cjson.decode(keyed)
for i = 1, #keyed, 3 do
  if not is_lost[keyed[i]] then release(keyed[i + 1], keyed[i + 2]) end
end
return lost
