-- To free a megabyte takes Redis some tenths of a ms.
local MAX_FREED = 64 * 1024 * 1024

-- How many of the fields, from the first on, one call may delete from a hash: at least one, and not much more than MAX_FREED.
local function how_many_to_free(hash, fields)
  local bytes = 0
  for i, field in ipairs(fields) do
    bytes = bytes + redis.call('HSTRLEN', hash, field)
    if bytes >= MAX_FREED then return i end
  end
  return #fields
end
