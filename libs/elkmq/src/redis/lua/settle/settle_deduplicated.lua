-- Stores replies of an attempt at a deduplicated request: for all callers that wait, and in the record of the
-- key, for callers that come later. The record names the callers that wait. The script can only write to
-- inboxes in KEYS, so the argument `waiters` must name the same callers.
-- KEYS
--   event_stream
--   record            record of the key, hash
--   lanes
--   lane_bodies
--   cancelled
--   inboxes...
-- ARGV
--   group
--   id                id of the entry
--   origin
--   ordering_key      '' when the message has none
--   consumer          consumer that must own the entry, '' for any; only for 'part' and 'failed'
--   min_idle: number  least time since the last renewal of its lease, ms; only for 'part' and 'failed'
--   how               'part' (the attempt goes on), 'end', 'failed' (the entry stays, for the dead letters),
--                     'expired' (the key is free again) or 'response' (there is no entry any more)
--   waiters           callers that wait: client and request uuid in turn, joined by blanks
--   requester         caller that waits when there is no record
--   inbox_numbers     per caller: number of the inbox among the inboxes or 0, joined by blanks
--   replies...        JSON, each without its beginning, '["UUID",'
-- Returns the time, ms; or 0 when the worker does not own the entry any more; or, when the argument `waiters`
-- names others, the callers. The script has done nothing in the last two cases.

-- include shared/add_replies.lua
-- include shared/deduplicated_record.lua
-- include shared/deliveries.lua
-- include shared/end_attempt.lua
-- include shared/lanes/release.lua
-- include shared/now_ms.lua

local waiting, is_kept, ended, ends = read_record(record, origin, requester)
if waiting ~= waiters then return waiting end

local now = now_ms()
if how == 'end' or how == 'expired' then
  if not end_attempt(event_stream, group, id) then return 0 end
  if ordering_key ~= '' then release(ordering_key, origin) end
elseif how ~= 'response' then
  -- XPENDING fails when the group is gone.
  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)[1]
  if not pending or (consumer ~= '' and pending[2] ~= consumer) or pending[3] < min_idle then return 0 end
  -- The lease is renewed only for an attempt that goes on.
  local idle = how == 'part' and 0 or pending[3]
  redis.call('XCLAIM', event_stream, group, pending[2], 0, id,
    'IDLE', idle, 'RETRYCOUNT', HAS_ANSWERED, 'JUSTID')
end
-- The callers have the error already: a worker stored it, and was gone before the message was a dead letter.
if is_kept and ended then return now end

if is_kept and how == 'expired' then
  redis.call('DEL', record)
elseif is_kept then
  local number = string.match(ARGV[replies_at], '^%d+,(%d+)')
  -- The error comes after the replies that the record has.
  if how == 'failed' then number = redis.call('HGET', record, 'count') or 0 end
  remember_replies(record, tonumber(number), ARGV, replies_at, how ~= 'part' and ends or nil)
end

local next_number = string.gmatch(inbox_numbers, '%d+')
for _, request in string.gmatch(waiters, '(%S+) (%S+)') do
  local number = tonumber(next_number())
  if number > 0 then
    local replies = {}
    for i = replies_at, #ARGV do replies[#replies + 1] = '["' .. request .. '",' .. ARGV[i] end
    add_replies(KEYS[inboxes_at + number - 1], '[' .. table.concat(replies, ',') .. ']')
  end
end
return now
