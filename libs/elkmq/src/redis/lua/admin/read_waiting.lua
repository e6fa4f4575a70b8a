-- Reads a page of the entries of the event stream that no worker has taken.
-- KEYS
--   event_stream
-- ARGV
--   group
--   seen              id of the last entry of the page before, '' to begin
--   order             'oldest' or 'newest': which entry comes first
--   limit: number     how many at the most
--   budget: number    bytes after which no further entry is read
-- Returns 1 when there are no more, else 0; then per entry: id, fields.

-- include shared/fields.lua
-- include shared/last_taken.lua
-- include shared/stream_ids.lua

-- Returns the highest id below `id`; nil when there is none.
local function id_below(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  if tonumber(number) > 0 then return time .. '-' .. string.format('%.0f', number - 1) end
  if tonumber(time) > 0 then return string.format('%.0f-18446744073709551615', time - 1) end
  return nil
end

local last = last_taken(event_stream, group)
local is_forward = order == 'oldest'
local next_of = is_forward and id_after or id_below
local next_id = '+'
if is_forward and (seen == '' or is_id_before(seen, last)) then seen = last end
if seen ~= '' then next_id = next_of(seen) end
local answer, bytes = { 0 }, 0
while #answer < 1 + 2 * limit and bytes < budget do
  local entry
  if is_forward then entry = redis.call('XRANGE', event_stream, next_id, '+', 'COUNT', 1)[1]
  elseif next_id then entry = redis.call('XREVRANGE', event_stream, next_id, '-', 'COUNT', 1)[1] end
  if not entry or not is_id_before(last, entry[1]) then
    answer[1] = 1
    return answer
  end
  answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2]
  bytes = bytes + bytes_of(entry[2])
  next_id = next_of(entry[1])
end
return answer
