-- Entries that legacy clients may read are not deleted by those who take them. They are kept for their
-- timeout and somewhat longer.
-- ARGV
--   kept_longer: number    how much longer than its timeout an entry is kept, ms

-- No client writes a longer timeout. Where none can be read, it counts as this one.
local LONGEST_S = 65535

-- Returns the time from which an entry may be deleted, ms. `json` is the event or the response in it.
local function deletable_at(id, json)
  local timeout = tonumber(string.match(json, '"timeout":%s*(%d+)')) or LONGEST_S
  return string.match(id, '^%d+') + math.min(timeout, LONGEST_S) * 1000 + kept_longer
end
