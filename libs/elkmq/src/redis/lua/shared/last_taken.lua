-- include shared/group_info.lua

-- Returns the id of the last entry that a worker has taken; '0-0' when there is no group.
local function last_taken(stream, group)
  local info = group_info(stream, group)
  return info and info['last-delivered-id'] or '0-0'
end
