-- Reads a page of the entries that are pending: a worker has taken them and not settled them.
-- KEYS
--   event_stream
-- ARGV
--   group
--   seen              id of the last entry of the page before, '' to begin
--   limit: number     how many at the most
--   budget: number    bytes after which no further entry is read
-- Returns 1 when there are no more, else 0; now in ms; then per entry: id, fields or nil when the entry was
-- deleted, consumer, idle time in ms.

-- include shared/fields.lua
-- include shared/now_ms.lua
-- include shared/stream_ids.lua

local from = seen == '' and '-' or id_after(seen)
local pending = redis.pcall('XPENDING', event_stream, group, from, '+', limit)
-- The time is read after the idle times. Otherwise a message could look taken a millisecond before it was.
local answer, bytes = { 1, now_ms() }, 0
-- XPENDING fails when there is no group. Then nobody has taken anything.
if pending.err then return answer end
for _, about in ipairs(pending) do
  if bytes >= budget then
    answer[1] = 0
    return answer
  end
  local entry = redis.call('XRANGE', event_stream, about[1], about[1])[1]
  answer[#answer + 1], answer[#answer + 2] = about[1], entry and entry[2] or false
  answer[#answer + 1], answer[#answer + 2] = about[2], about[3]
  if entry then bytes = bytes + bytes_of(entry[2]) end
end
if #pending == limit then answer[1] = 0 end
return answer
