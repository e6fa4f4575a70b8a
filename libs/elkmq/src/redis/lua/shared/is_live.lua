-- Returns whether a worker has renewed its description within its TTL. A text that does not begin with the
-- two numbers is no description.
local function is_live(member, now)
  local seen, ttl = string.match(member, '^{"seen":(%d+),"ttl":(%d+),')
  return seen ~= nil and seen + ttl > now
end
