-- The time is read once: each read is a command, and no time passes for others while a script runs.
local script_ms

-- Returns the time of Redis: whole ms since 1970, rounded down.
local function now_ms()
  if not script_ms then
    local time = redis.call('TIME')
    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return script_ms
end
