-- Every script that ends an attempt for good ends it here. An attempt is an entry that is pending for a
-- worker or, in `cancel`, one that waits. Only one script can end it: the first one deletes or acknowledges
-- the entry. The others see that it is gone. XACK fails when there is no group any more. Then XDEL decides
-- alone.

-- Ends one attempt, and deletes its entry. Returns false when the attempt had been ended before.
local function end_attempt(stream, group, id)
  if redis.call('XDEL', stream, id) == 0 then return false end
  redis.pcall('XACK', stream, group, id)
  return true
end

-- Ends the attempts at the entries ARGV[first] to ARGV[last], which the script deletes afterwards. Returns
-- false when some had been ended before: `end_attempt` tells which.
local function end_attempts(stream, group, first, last)
  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1
end

-- Ends one attempt, and leaves the stream as it is: legacy clients read the entry, or others have deleted it.
-- Returns false when the attempt had been ended before.
local function acknowledge_attempt(stream, group, id)
  return redis.call('XACK', stream, group, id) == 1
end
