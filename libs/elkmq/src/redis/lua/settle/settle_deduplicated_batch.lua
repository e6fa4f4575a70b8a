-- Finishes attempts at deduplicated requests with their last replies, as settle_deduplicated does with 'end'.
-- KEYS
--   event_stream
--   lanes
--   lane_bodies
--   cancelled
--   addresses...      the records of the keys, and the inboxes of the callers
-- ARGV
--   group
--   attempts...       per attempt: id, origin, ordering_key, record: number, waiters, requester,
--                     inbox_numbers, replies
--                     `record` is its number among the addresses. `waiters` are the callers that wait:
--                     client and request uuid in turn, joined by blanks. `requester` waits when there is
--                     no record. `inbox_numbers` are, per caller, the number of the inbox among the
--                     addresses or 0, joined by blanks. `replies` are JSON without their beginning,
--                     '["UUID",', one a line.
-- Returns two lists: the ids of the attempts whose worker does not own the entry any more; and, of those for
-- which others wait, id and callers in turn. The script has done nothing for the latter.

-- include shared/add_replies.lua
-- include shared/deduplicated_record.lua
-- include shared/end_attempt.lua
-- include shared/lanes/release.lua

local PER_ATTEMPT = 8

local mine, ids, others, lost, packs = {}, {}, {}, {}, {}

-- All records are read before the first write.
for i = attempts_at, #ARGV, PER_ATTEMPT do
  local id, origin, ordering_key, record, waiters, requester, inbox_numbers, replies =
    unpack(ARGV, i, i + PER_ATTEMPT - 1)
  record = KEYS[addresses_at + record - 1]
  local waiting, is_kept, ended, ends = read_record(record, origin, requester)
  if waiting ~= waiters then
    others[#others + 1], others[#others + 2] = id, waiting
  else
    ids[#ids + 1] = id
    mine[#mine + 1] = {
      id = id,
      origin = origin,
      ordering_key = ordering_key,
      record = is_kept and record,
      -- The callers have the error already: a worker stored it, and was gone before the message was a dead
      -- letter.
      is_told = is_kept and ended,
      ends = ends,
      waiters = waiters,
      inbox_numbers = inbox_numbers,
      replies = replies,
    }
  end
end

local function answer(attempt)
  local replies = {}
  for reply in string.gmatch(attempt.replies, '[^\n]+') do replies[#replies + 1] = reply end
  if attempt.record then
    local number = tonumber(string.match(replies[1], '^%d+,(%d+)'))
    remember_replies(attempt.record, number, replies, 1, attempt.ends)
  end
  local next_number = string.gmatch(attempt.inbox_numbers, '%d+')
  for _, request in string.gmatch(attempt.waiters, '(%S+) (%S+)') do
    local number = tonumber(next_number())
    if number > 0 then
      local pack = packs[number] or {}
      packs[number] = pack
      for _, reply in ipairs(replies) do pack[#pack + 1] = '["' .. request .. '",' .. reply end
    end
  end
end

-- When all entries are pending, the worker owns all of them, see settle.
local is_whole = #ids > 0 and redis.pcall('XACK', event_stream, group, unpack(ids)) == #ids
if is_whole then redis.call('XDEL', event_stream, unpack(ids)) end
for _, attempt in ipairs(mine) do
  if is_whole or end_attempt(event_stream, group, attempt.id) then
    if not attempt.is_told then answer(attempt) end
    if attempt.ordering_key ~= '' then release(attempt.ordering_key, attempt.origin) end
  else
    lost[#lost + 1] = attempt.id
  end
end
for number, pack in pairs(packs) do
  add_replies(KEYS[addresses_at + number - 1], '[' .. table.concat(pack, ',') .. ']')
end
return { lost, others }
