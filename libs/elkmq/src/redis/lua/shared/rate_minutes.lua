-- The rates of a queue are a ring of minutes. The field of a minute is the rest of its number, divided by the
-- length of the ring. So the hash never has more fields than that, and nothing has to be deleted.
-- admin/queue-rates.ts has the same length.
local KEPT_MINUTES = 2880

-- The number of a minute since 1970.
local function minute_of(ms)
  return math.floor(ms / 60000)
end

local function field_of(minute)
  return string.format('%.0f', minute % KEPT_MINUTES)
end

-- Reads a field. Returns its minute, the six sums and the longest time; nil when it is none.
local function parse_minute(text)
  local numbers = {}
  for digits in string.gmatch(text or '', '%d+') do numbers[#numbers + 1] = tonumber(digits) end
  if #numbers ~= 8 then return nil end
  return numbers[1], { unpack(numbers, 2, 7) }, numbers[8]
end
