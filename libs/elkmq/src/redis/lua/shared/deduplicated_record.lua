-- The record of a deduplicated request that is answered, see shared/enqueue/deduplicated_request.lua.

-- include shared/now_ms.lua

-- Returns the callers that wait for a request, and whether the record is that of the request. If it is,
-- returns also whether it has all replies, and when its window is over. Another request may have the key by
-- now. Then the requester waits alone.
local function read_record(record, origin, requester)
  local first, waiters, ended, ends = unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ended', 'ends'))
  if first ~= origin then return requester, false end
  return waiters, true, ended, ends
end

-- Keeps the replies from `replies[first]` on in the record, for callers that come later. `number` is that of
-- the first of them. `ends` is when the window is over; nil when more replies are to come.
local function remember_replies(record, number, replies, first, ends)
  local last = number + #replies - first
  for i = first, #replies - 1 do redis.call('HSET', record, number + i - first, replies[i]) end
  if not ends then
    redis.call('HSET', record, last, replies[#replies], 'count', last + 1)
    return
  end
  redis.call('HSET', record, last, replies[#replies], 'count', last + 1, 'ended', 1)
  -- When the window is over, the time is not positive, and Redis deletes the record.
  redis.call('PEXPIRE', record, string.format('%.0f', ends - now_ms()))
end
