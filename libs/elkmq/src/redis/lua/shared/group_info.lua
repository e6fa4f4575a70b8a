-- Returns what XINFO tells of a consumer group, by name. Returns nil when the stream or the group is missing.
local function group_info(stream, group)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, known in ipairs(groups.err and {} or groups) do
    local info = {}
    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end
    if info['name'] == group then return info end
  end
end
