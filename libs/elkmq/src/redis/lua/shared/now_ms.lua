-- Returns the time of Redis: whole ms since 1970, rounded down.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
