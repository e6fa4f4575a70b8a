-- Visits what is left of a claim, in pages of ids: see claim.lua.
local function claimed(stream, claim, visit)
  local PAGE = 100
  local from, last, time = string.match(claim, '^(%S+) (%S+) (%S+)$')
  local count = from and PAGE or 0
  while count == PAGE do
    local entries, ids = redis.call('XRANGE', stream, from, last, 'COUNT', PAGE), {}
    for _, entry in ipairs(entries) do
      -- Redis 6.0 has no open ranges; the first one is not claimed, or known already.
      if entry[1] ~= from then ids[#ids + 1] = entry[1] end
    end
    if #ids > 0 then visit(ids, time) end
    count, from = #entries, ids[#ids]
  end
end
