-- Renews the leases of entries that the consumer still owns: XCLAIM sets their idle time to 0. The owner is
-- checked first, because XCLAIM would also take an entry from another consumer.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 consumer  3.. ids
-- Returns the ids that the consumer does not own any more.
local kept, lost = {}, {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local is_mine = #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) > 0
  local list = is_mine and kept or lost
  list[#list + 1] = id
end
if #kept > 0 then
  kept[#kept + 1] = 'JUSTID'
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(kept))
end
return lost
