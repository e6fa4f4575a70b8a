-- Cancels requests. A request that is delayed, or that no worker has taken, is deleted. Every other request
-- is marked, and the worker that runs it reads the mark. A request that was put back into the queue has
-- another id by now. The script cannot tell it from a finished one, so it marks both. There are few marks,
-- and each is deleted when it is of no more use.
-- KEYS
--   event_stream
--   delayed
--   delayed_bodies
--   cancelled
--   message_queue
--   lanes
--   lane_bodies
-- ARGV
--   group
--   legacy_consumers: boolean   whether legacy consumers may take the requests
--   requests...       per request: id, ordering_key, deadline: number
--                     `ordering_key` is '' when the request has none. `deadline` is in ms since 1970.
-- Returns the number of requests that were deleted.

-- include shared/delete_untaken.lua
-- include shared/end_attempt.lua
-- include shared/lanes/release.lua
-- include shared/mark_cancelled.lua
-- include shared/now_ms.lua

-- Deletes a request that waits. Returns whether it was deleted.
local function delete_waiting(id, ordering_key)
  if not legacy_consumers or ordering_key ~= '' then return delete_untaken(event_stream, group, id) end
  -- The one that takes the id out of the message queue has the request. So the id goes first: a legacy
  -- consumer fails on an id without an entry.
  return redis.call('LREM', message_queue, 1, id) == 1 and end_attempt(event_stream, group, id)
end

local now = now_ms()
local deleted, marks = 0, {}
for i = requests_at, #ARGV, 3 do
  local id, ordering_key, deadline = unpack(ARGV, i, i + 2)
  local is_gone = delete_waiting(id, ordering_key)
  -- The id is also the origin. It is that of the nudge too, if a delayed request has one.
  if redis.call('ZREM', delayed, id) == 1 then
    redis.call('HDEL', delayed_bodies, id)
    is_gone = true
  end
  if is_gone then
    deleted = deleted + 1
    if ordering_key ~= '' then release(ordering_key, id) end
  elseif needs_mark(tonumber(deadline), ordering_key, now) then
    marks[#marks + 1], marks[#marks + 2] = deadline, id
  end
end
mark_cancelled(marks, now)
return deleted
