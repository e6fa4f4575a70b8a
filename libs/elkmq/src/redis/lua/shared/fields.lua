-- The fields of an entry are a list of names and values in turn.

-- Lua cannot pass on more names and values than this to a command.
local MAX_FIELDS = 7000

-- Returns whether a value can be the fields of an entry.
local function are_fields(fields)
  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end
  if #fields >= MAX_FIELDS then return false end
  for _, text in ipairs(fields) do
    if type(text) ~= 'string' then return false end
  end
  return true
end

-- Returns how many bytes the values have.
local function bytes_of(fields)
  local bytes = 0
  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end
  return bytes
end

-- Returns the value of a field, or nil.
local function get_field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
  return nil
end

local function set_field(fields, name, value)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      fields[i + 1] = value
      return
    end
  end
  fields[#fields + 1], fields[#fields + 2] = name, value
end

-- Returns the fields but for those with the name.
local function without_field(fields, name)
  local rest = {}
  for i = 1, #fields, 2 do
    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end
  end
  return rest
end
