-- include shared/fields.lua
-- include shared/stream_ids.lua

-- A script that has read this number of bytes of messages leaves the rest to the next call. Lua takes some
-- milliseconds for each megabyte.
local MAX_BYTES = 1024 * 1024

-- Reads entries from `from` to `last`: at most `count`, and no more once they have MAX_BYTES. It reads one by
-- one, because the size of an entry is not known before. Returns the entries, and whether there are no more.
local function read_page(stream, from, last, count)
  local entries, bytes = {}, 0
  while #entries < count and bytes < MAX_BYTES do
    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]
    if not entry then return entries, true end
    entries[#entries + 1] = entry
    bytes = bytes + bytes_of(entry[2])
    from = id_after(entry[1])
  end
  return entries, false
end
