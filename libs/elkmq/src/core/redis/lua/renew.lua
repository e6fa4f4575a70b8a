-- Renews the leases of attempts that are still the consumer's: claiming an entry sets its idle time to 0, but would
-- also take it back from another consumer.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 consumer  3.. ids
-- Returns the ids that are not the consumer's any more.
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
