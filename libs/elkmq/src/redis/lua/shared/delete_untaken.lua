-- include shared/is_pending.lua

-- Deletes the entry of a request, unless a worker has taken it. Returns whether the request was deleted.
-- A delayed request may have a nudge with its id, see shared/enqueue/delayed.lua. The nudge may still be
-- there when the request has been put into the queue as another entry. So a nudge is deleted, but it is no
-- request.
local function delete_untaken(stream, group, id)
  if is_pending(stream, group, id) then return false end
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return false end
  redis.call('XDEL', stream, id)
  return entry[2][1] ~= 'due'
end
