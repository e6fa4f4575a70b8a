-- Returns whether a worker has taken an entry and not settled it. XPENDING fails when there is no group, and
-- when `id` is not an id. Then nobody has taken anything.
local function is_pending(stream, group, id)
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
  return not pending.err and #pending > 0
end
