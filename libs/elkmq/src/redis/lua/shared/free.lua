-- Redis needs some tenths of a millisecond to free a megabyte.
local MAX_FREED_BYTES = 64 * 1024 * 1024

-- Returns how many of the fields one call may delete from a hash: of those from `fields[first]` to
-- `fields[last]`, counted from the first one. It is at least one, and their values have not much more than
-- MAX_FREED_BYTES.
local function how_many_to_free(hash, fields, first, last)
  local bytes = 0
  for i = first, last do
    bytes = bytes + redis.call('HSTRLEN', hash, fields[i])
    if bytes >= MAX_FREED_BYTES then return i - first + 1 end
  end
  return last - first + 1
end
