-- include shared/fields.lua

-- The fields of an entry that a first attempt does not have. dead-letters/dead-letter.ts has the same list.
local STARTS_ANEW = {
  origin = true, attempt = true, abandoned_attempts = true, deduplication = true, listed = true, errors = true,
  due = true,
}

-- Returns the fields of the new message that a dead letter becomes: its attempts start at 1, its time is now,
-- and nobody waits for a reply. Returns nil when the letter has no fields.
local function revived(letter)
  local old = letter.fields
  if not are_fields(old) then return nil end
  local fields, is_ours = {}, false
  for i = 1, #old, 2 do
    local name, value = old[i], old[i + 1]
    if name == 'reply_to' then
      value, is_ours = '', true
    end
    if not STARTS_ANEW[name] then fields[#fields + 1], fields[#fields + 2] = name, value end
  end
  -- A legacy event becomes a message of this package, because its id is not in the message queue any more.
  if not is_ours then fields[#fields + 1], fields[#fields + 2] = 'reply_to', '' end
  return fields
end
