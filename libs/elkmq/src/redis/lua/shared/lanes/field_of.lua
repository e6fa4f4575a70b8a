-- Returns the field of a lane's message in `lane_bodies`. The key is added, and not written by '%s', which
-- ends at the first NUL of a text.
local function field_of(key, number)
  return string.format('%.0f ', number) .. key
end
