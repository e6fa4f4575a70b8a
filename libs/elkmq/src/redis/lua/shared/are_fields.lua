-- Whether a value can be the fields of an entry. There must not be more of them than Lua can pass on.
local function are_fields(fields)
  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 or #fields >= 7000 then return false end
  for _, text in ipairs(fields) do
    if type(text) ~= 'string' then return false end
  end
  return true
end
