-- Renews the leases of entries that the consumer still owns: XCLAIM sets their idle time to 0. The owner is
-- checked first, because XCLAIM would also take an entry from another consumer.
-- KEYS
--   event_stream
-- ARGV
--   group
--   consumer
--   ids...            ids of the entries
-- Returns the ids that the consumer does not own any more.
local kept, lost = {}, {}
for i = ids_at, #ARGV do
  local id = ARGV[i]
  local is_mine = #redis.call('XPENDING', event_stream, group, id, id, 1, consumer) > 0
  local list = is_mine and kept or lost
  list[#list + 1] = id
end
if #kept > 0 then
  kept[#kept + 1] = 'JUSTID'
  redis.call('XCLAIM', event_stream, group, consumer, 0, unpack(kept))
end
return lost
