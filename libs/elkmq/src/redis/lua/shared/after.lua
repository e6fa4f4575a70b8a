-- Returns the next id after `id`, because Redis 6.0 has no open ranges.
local function after(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  -- Lua cannot count further than this, and nobody writes so many entries in a millisecond.
  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end
  return time .. '-' .. string.format('%.0f', number + 1)
end
