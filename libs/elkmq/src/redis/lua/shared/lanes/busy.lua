-- A lane is busy when its head does not wait in the stream: a worker has taken it, it is delayed, or it is a
-- dead letter. A head that is gone counts too.

-- include shared/stream_ids.lua

-- Returns whether a lane is busy. `entry` is that of its head, `taken` the last one that a worker has taken.
local function is_busy(entry, taken)
  return not string.match(entry, '^%d+%-%d+$') or not is_id_before(taken, entry)
end
