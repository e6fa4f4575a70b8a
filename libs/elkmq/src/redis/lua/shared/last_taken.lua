-- Returns the id of the last entry that a worker has taken; '0-0' when there is no group.
local function last_taken(stream, group)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, about in ipairs(groups.err and {} or groups) do
    local info = {}
    for i = 1, #about, 2 do info[about[i]] = about[i + 1] end
    if info['name'] == group then return info['last-delivered-id'] end
  end
  return '0-0'
end

-- Whether an id is lower than another one.
local function is_before(id, other)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  local other_time, other_number = string.match(other, '^(%d+)%-(%d+)$')
  time, other_time = tonumber(time), tonumber(other_time)
  return time < other_time or (time == other_time and tonumber(number) < tonumber(other_number))
end
