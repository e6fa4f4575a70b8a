-- Reads a page of the dead letters, the newest first.
-- KEYS: 1 dead letters, zset: origin by time  2 dead letters, hash: origin -> JSON
-- ARGV: 1 time of death of the last letter of the page before, '+inf' to begin  2 its origin, '' to begin;
--       the letter may be gone  3 how many at the most  4 bytes of JSON after which no further letter is read
-- Returns 1 when there are no more, else 0; then per letter: time of death, origin, JSON.

-- Redis orders members by their bytes. `<` of Lua would follow the locale of the server.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local from, last, limit, budget = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local STEP = 1000
local answer, count, offset = { 0 }, 0, 0
while true do
  local index = redis.call('ZREVRANGEBYSCORE', KEYS[1], from, '-inf', 'WITHSCORES', 'LIMIT', offset, STEP)
  for i = 1, #index, 2 do
    local origin, time = index[i], index[i + 1]
    if time ~= from or precedes(origin, last) then
      if count == limit or budget <= 0 then return answer end
      local letter = redis.call('HGET', KEYS[2], origin)
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
