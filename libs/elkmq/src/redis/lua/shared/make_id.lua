-- Makes ids for messages that have no entry in the stream yet.
-- KEYS
--   lane_ids          string with a TTL: counts the calls that make ids

-- include shared/now_ms.lua

local LANE_IDS_TTL_MS = 60000
local IDS_PER_NUMBER = 999
local id_prefix, ids_made = nil, IDS_PER_NUMBER

-- Returns an id that the stream never makes. An entry that is added and deleted would cost more than all the
-- rest of the script.
local function make_id()
  if ids_made == IDS_PER_NUMBER then
    local number = redis.call('INCRBY', lane_ids, 1)
    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)
    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0
  end
  ids_made = ids_made + 1
  return id_prefix .. string.format('%03d', ids_made)
end
