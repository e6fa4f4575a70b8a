-- The stream of messages on their way stays for a while without any, so that its next id is above all before.
-- KEYS
--   moving

local EMPTY_TTL_MS = 3600000

local function expire_when_empty()
  if redis.call('XLEN', moving) == 0 then redis.call('PEXPIRE', moving, EMPTY_TTL_MS) end
end
