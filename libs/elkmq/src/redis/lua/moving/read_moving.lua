-- Reads messages that are on their way to one other queue, in order, and writes nothing.
-- KEYS
--   moving
-- ARGV
--   to                name of the other queue
--   seen              id of the last message that was looked at, '' to begin
--   limit: number     how many messages to look at
--   budget: number    bytes after which no further message is read
-- Returns the id of the last message that was looked at, '' when there are no more; then per message to that
-- queue: its id, its fields.

-- include shared/fields.lua
-- include shared/stream_ids.lua

local answer, bytes = { '' }, 0
local next_id = seen == '' and '-' or id_after(seen)
for _ = 1, limit do
  local entry = redis.call('XRANGE', moving, next_id, '+', 'COUNT', 1)[1]
  if not entry then
    answer[1] = ''
    return answer
  end
  answer[1], next_id = entry[1], id_after(entry[1])
  if entry[2][2] == to then
    answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2]
    bytes = bytes + bytes_of(entry[2])
    if bytes >= budget then break end
  end
end
return answer
