-- The parts of a claim: see claim.lua. Nothing when it is none, as it is not complete, or nobody of ours wrote it.
local function parts_of(claim) return string.match(claim, '^(%d+%-%d+) (%d+%-%d+) (%d+)$') end

-- Visits what is left of a claim, in pages of ids.
local function claimed(stream, claim, visit)
  local PAGE = 100
  local from, last, time = parts_of(claim)
  local count = from and PAGE or 0
  while count == PAGE do
    local entries, ids = redis.pcall('XRANGE', stream, from, last, 'COUNT', PAGE), {}
    for _, entry in ipairs(entries) do
      -- Redis 6.0 has no open ranges; the first one is not claimed, or known already.
      if entry[1] ~= from then ids[#ids + 1] = entry[1] end
    end
    if #ids > 0 then visit(ids, time) end
    count, from = #entries, ids[#ids]
  end
end
