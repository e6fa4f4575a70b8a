-- Looks at lanes whose head has not changed for some time. When the head is gone, because somebody deleted it
-- by hand or a worker of an earlier version ended it, the next message goes on.
-- KEYS
--   event_stream
--   lanes
--   lane_bodies
--   cancelled
--   delayed
--   dead_letters
--   held
-- ARGV
--   group
--   suspects...       per lane: key, text
--                     `text` is the lane as it was seen. A lane is left alone when its head, or the entry of
--                     the head, has changed since.
-- Returns the number of lanes that were healed.

-- include shared/end_attempt.lua
-- include shared/lanes/release.lua

-- The lease of a consumer whose name does not tell it, ms.
local USUAL_LEASE_MS = 60000

-- Returns whether a worker may still be at work on an entry that somebody has deleted: it renews its lease.
local function is_running(entry)
  local pending = redis.pcall('XPENDING', event_stream, group, entry, entry, 1)
  if pending.err or #pending == 0 then return false end
  local lease = tonumber(string.match(pending[1][2], '%.(%d+)$')) or USUAL_LEASE_MS
  if pending[1][3] < lease then return true end
  acknowledge_attempt(event_stream, group, entry)
  return false
end

-- Returns whether two texts of a lane have the same head, with the same entry. Other messages may have joined
-- in between.
local function have_same_head(text, other)
  local head, entry = parse_lane(text)
  if not head then return text == other end
  local other_head, other_entry = parse_lane(other)
  return head == other_head and entry == other_entry
end

local healed = 0
for i = suspects_at, #ARGV, 2 do
  local key = ARGV[i]
  local text = key ~= '' and redis.call('HGET', lanes, key)
  if text and have_same_head(text, ARGV[i + 1]) then
    local head, entry = parse_lane(text)
    local is_there
    if not head then
      -- A text of another form: nobody can release such a lane.
      redis.call('HDEL', lanes, key)
      healed = healed + 1
    elseif entry == DELAYED then
      is_there = redis.call('ZSCORE', delayed, head)
    elseif entry == DEAD then
      is_there = redis.call('ZSCORE', dead_letters, head)
      if not is_there then redis.call('HDEL', held, head) end
    else
      is_there = string.match(entry, '^%d+%-%d+$')
        and (#redis.call('XRANGE', event_stream, entry, entry) > 0 or is_running(entry))
    end
    if head and not is_there and release(key, head) then healed = healed + 1 end
  end
end
return healed
