-- Reads a page of the entries of the event stream that no worker has taken.
-- KEYS: 1 event stream
-- ARGV: 1 group  2 id of the last entry of the page before, '' to begin
--       3 'oldest' or 'newest': which entry comes first  4 how many at the most
--       5 bytes after which no further entry is read
-- Returns 1 when there are no more, else 0; then per entry: id, fields.

-- include shared/after.lua

-- include shared/last_taken.lua

-- Returns the highest id below `id`; nil when there is none.
local function before(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  if tonumber(number) > 0 then return time .. '-' .. string.format('%.0f', number - 1) end
  if tonumber(time) > 0 then return string.format('%.0f-18446744073709551615', time - 1) end
  return nil
end

local stream, seen, limit, budget = KEYS[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local last = last_taken(stream, ARGV[1])
local is_forward = ARGV[3] == 'oldest'
local next_of = is_forward and after or before
local place = '+'
if is_forward and (seen == '' or is_before(seen, last)) then seen = last end
if seen ~= '' then place = next_of(seen) end
local answer, bytes = { 0 }, 0
while #answer < 1 + 2 * limit and bytes < budget do
  local entry
  if is_forward then entry = redis.call('XRANGE', stream, place, '+', 'COUNT', 1)[1]
  elseif place then entry = redis.call('XREVRANGE', stream, place, '-', 'COUNT', 1)[1] end
  if not entry or not is_before(last, entry[1]) then
    answer[1] = 1
    return answer
  end
  answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2]
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  place = next_of(entry[1])
end
return answer
