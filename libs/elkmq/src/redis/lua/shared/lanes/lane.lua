-- Messages with one ordering key form a lane. Only the first of them, the head, is in the event stream or
-- delayed. The others wait in order. There is a lane for as long as there is a head. Its text is
--   ORIGIN                    its entry has the id of its origin, and no other message waits, or
--   ORIGIN ENTRY FIRST LAST   ENTRY is the id of its entry, 'd' when it is delayed, 'x' when it is a dead
--                             letter that holds the key. The messages FIRST to LAST wait; none does when
--                             FIRST is greater than LAST.
-- The field '' of the hash counts the lanes in which messages wait.
-- KEYS
--   lanes             hash: ordering key -> its lane

local DELAYED = 'd'
local DEAD = 'x'

-- Returns origin and entry of the head, and the numbers of the first and last message that wait. Returns
-- nothing when there is no lane, or a text of another form.
local function parse_lane(text)
  if not text then return nil end
  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')
  if head then return head, entry, tonumber(first), tonumber(last) end
  return string.match(text, '^%d+%-%d+$'), text, 1, 0
end

local function set_lane(key, head, entry, first, last)
  local text = head
  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end
  redis.call('HSET', lanes, key, text)
end

-- Counts a lane in which messages wait (1), or wait no more (-1).
local function count_blocked(change)
  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end
end

-- The head has another entry, or is DELAYED. A message without a lane becomes the head of a new one.
local function move_head(key, origin, entry)
  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))
  if not head then set_lane(key, origin, entry, 1, 0)
  elseif head == origin then set_lane(key, head, entry, first, last) end
end
