-- Whether a member of the registry has said something lately. What does not begin with the two numbers is no member.
local function is_live(member, now)
  local seen, ttl = string.match(member, '^{"seen":(%d+),"ttl":(%d+),')
  return seen ~= nil and seen + ttl > now
end
