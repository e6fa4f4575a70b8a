-- Returns the two numbers of the id of an entry, or nothing when the text is no such id.
local function parts_of_id(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(time), tonumber(number)
end

-- Returns the next id after `id`, because Redis 6.0 has no open ranges.
local function id_after(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  -- Lua cannot count further than this, and nobody writes so many entries in a millisecond.
  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end
  return time .. '-' .. string.format('%.0f', number + 1)
end

-- Returns whether `id` is lower than `other`.
local function is_id_before(id, other)
  local time, number = parts_of_id(id)
  local other_time, other_number = parts_of_id(other)
  return time < other_time or (time == other_time and number < other_number)
end
