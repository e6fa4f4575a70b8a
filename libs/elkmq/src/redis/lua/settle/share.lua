-- Stores replies of an attempt at a deduplicated request: for all callers that wait, and in the record of the
-- key, for callers that come later. The record names the callers that wait. The script can only write to
-- inboxes in KEYS, so ARGV[7] must name the same callers.
-- KEYS: 1 event stream  2 record of the key, hash  3.. inboxes
-- ARGV: 1 group  2 id  3 origin  4 consumer that must own the entry, '' for any
--       5 least time since the last renewal of its lease, ms
--       6 'part' (the attempt goes on), 'end', 'failed' (the entry stays, for the dead letters), 'expired'
--       (the key is free again) or 'response' (there is no entry any more)
--       7 callers that wait: client and request uuid in turn, joined by blanks
--       8 callers that wait when there is no record
--       9 per caller: index of the inbox in KEYS or 0, joined by blanks
--       10.. replies as JSON, each without its beginning, '["UUID",'
-- Returns the time, ms; or 0 when the worker does not own the entry any more; or, when the callers are not
-- those of ARGV[7], the callers. The script has done nothing in the last two cases.

-- include shared/end_attempt.lua

local stream, record, group, id, consumer, how = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4], ARGV[6]
local origin, waiters, count, ended, ends = unpack(
  redis.pcall('HMGET', record, 'origin', 'waiters', 'count', 'ended', 'ends'))
-- Another request may have the key by now.
local is_kept = origin == ARGV[3]
if not is_kept then waiters = ARGV[8] end
if waiters ~= ARGV[7] then return waiters end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if how == 'end' or how == 'expired' then
  if not end_attempt(stream, group, id) then return 0 end
elseif how ~= 'response' then
  -- XPENDING fails when the group is gone.
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)[1]
  if not pending or (consumer ~= '' and pending[2] ~= consumer) or pending[3] < tonumber(ARGV[5]) then return 0 end
  -- The count of deliveries says that the request is never run again, as in answer_in_part. The lease is
  -- renewed only for an attempt that goes on.
  local idle = how == 'part' and 0 or pending[3]
  redis.call('XCLAIM', stream, group, pending[2], 0, id, 'IDLE', idle, 'RETRYCOUNT', 3, 'JUSTID')
end
-- The callers have the error already: a worker stored it, and was gone before the message was a dead letter.
if is_kept and ended then return now end

if is_kept and how == 'expired' then
  redis.call('DEL', record)
elseif is_kept then
  local number = how == 'failed' and tonumber(count or 0) or tonumber(string.match(ARGV[10], '^%d+,(%d+)'))
  for i = 10, #ARGV do
    redis.call('HSET', record, number, ARGV[i])
    number = number + 1
  end
  redis.call('HSET', record, 'count', number)
  if how ~= 'part' then
    redis.call('HSET', record, 'ended', 1)
    -- When the window is over, the time is not positive, and Redis deletes the record.
    redis.call('PEXPIRE', record, string.format('%.0f', ends - now))
  end
end

local next_place = string.gmatch(ARGV[9], '%d+')
for _, request in string.gmatch(waiters, '(%S+) (%S+)') do
  local inbox = KEYS[tonumber(next_place())]
  if inbox and redis.call('EXISTS', inbox) == 1 then
    local replies = {}
    for i = 10, #ARGV do replies[#replies + 1] = '["' .. request .. '",' .. ARGV[i] end
    redis.pcall('XADD', inbox, '*', 'replies', '[' .. table.concat(replies, ',') .. ']')
  end
end
return now
