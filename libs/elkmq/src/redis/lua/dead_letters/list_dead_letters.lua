-- Reads a page of the dead letters, the newest first.
-- KEYS
--   dead_letters
--   dead_letter_bodies
-- ARGV
--   from              time of death of the last letter of the page before, '+inf' to begin
--   last              its origin, '' to begin; the letter may be gone
--   limit: number     how many at the most
--   budget: number    bytes of JSON after which no further letter is read
-- Returns 1 when there are no more, else 0; then per letter: time of death, origin, JSON.

-- Redis orders members by their bytes. `<` of Lua would follow the locale of the server.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local STEP = 1000
local answer, count, offset = { 0 }, 0, 0
while true do
  local index = redis.call('ZREVRANGEBYSCORE', dead_letters, from, '-inf',
    'WITHSCORES', 'LIMIT', offset, STEP)
  for i = 1, #index, 2 do
    local origin, time = index[i], index[i + 1]
    if time ~= from or precedes(origin, last) then
      if count == limit or budget <= 0 then return answer end
      local letter = redis.call('HGET', dead_letter_bodies, origin)
      if letter then
        answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = time, origin, letter
        count = count + 1
        budget = budget - #letter
      end
    end
  end
  if #index < 2 * STEP then
    answer[1] = 1
    return answer
  end
  offset = offset + STEP
end
