-- A message that is tried again carries the errors of the attempts before: JSON, at most five of them. What
-- something else has written is replaced.
local MAX_ERRORS, MAX_ERRORS_BYTES = 5, 10240

-- Returns the errors with one more, as JSON.
local function with_attempt_error(before, name, message, attempt, at)
  local is_json, errors = pcall(cjson.decode, before and #before <= MAX_ERRORS_BYTES and before or '[]')
  if not is_json or type(errors) ~= 'table' then errors = {} end
  local kept = {}
  for i = math.max(#errors - MAX_ERRORS + 2, 1), #errors do kept[#kept + 1] = errors[i] end
  local latest = { attempt = attempt, at = at, name = name, message = message }
  kept[#kept + 1] = latest
  -- JSON can be read that cannot be written, such as 1e999.
  local can_be_written, json = pcall(cjson.encode, kept)
  return can_be_written and json or cjson.encode({ latest })
end
