-- Redis needs some tenths of a millisecond to free a megabyte.
local MAX_FREED = 64 * 1024 * 1024

-- Returns how many of the fields one call may delete from a hash, counted from the first one. It is at least
-- one, and their values have not much more than MAX_FREED bytes.
local function how_many_to_free(hash, fields)
  local bytes = 0
  for i, field in ipairs(fields) do
    bytes = bytes + redis.call('HSTRLEN', hash, field)
    if bytes >= MAX_FREED then return i end
  end
  return #fields
end
