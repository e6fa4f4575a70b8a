-- include shared/claimed.lua

-- Makes what has been claimed pending, each entry for its consumer and since it was handed out. Whoever looks at what is
-- pending does so first. What is pending already stays whose it is: a new entry has no idle time that could be too short.
local function expand_claims(stream, claims, group)
  local all = redis.pcall('HGETALL', claims)
  for i = 1, #all, 2 do
    local consumer = string.match(all[i], '^%S+')
    claimed(stream, all[i + 1], function(ids, time)
      local call = { 'XCLAIM', stream, group, consumer, '9007199254740991' }
      for _, id in ipairs(ids) do call[#call + 1] = id end
      for _, option in ipairs({ 'TIME', time, 'RETRYCOUNT', 1, 'FORCE', 'JUSTID' }) do call[#call + 1] = option end
      redis.pcall(unpack(call))
    end)
    redis.call('HDEL', claims, all[i])
  end
end
