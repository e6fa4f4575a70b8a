-- Passes on what an attempt at a deduplicated request has said: to all who wait for it, and into its record, for those
-- who ask while the key lasts. Who waits is in the record; whoever calls must know them, so as to name their inboxes.
-- KEYS: 1 event stream  2 record of the key, hash  3.. inboxes
-- ARGV: 1 group  2 id  3 origin  4 consumer that must have the entry, '' for any  5 how long its lease must not have been
--       renewed, ms  6 'part' (the attempt goes on), 'end', 'failed' (the entry stays, for the dead letters), 'expired'
--       (the key is free again) or 'response' (there is no entry any more)  7 who waits: client and request uuid in turn, joined by blanks  8 who waits when there
--       is no record  9 per who waits: place of the inbox in KEYS or 0, joined by blanks  10.. replies as JSON, each
--       without its beginning, '["UUID",'
-- Returns the time, ms; 0 when the attempt was not the worker's any more; or, when others wait than ARGV[7] says, who:
-- nothing has been done then.

local stream, record, group, id, consumer, how = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4], ARGV[6]
local origin, waiters, count, ended, ends = unpack(
  redis.pcall('HMGET', record, 'origin', 'waiters', 'count', 'ended', 'ends'))
-- The key may have been used anew since.
local is_kept = origin == ARGV[3]
if not is_kept then waiters = ARGV[8] end
if waiters ~= ARGV[7] then return waiters end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if how == 'end' or how == 'expired' then
  if redis.call('XDEL', stream, id) == 0 then return 0 end
  redis.pcall('XACK', stream, group, id)
elseif how ~= 'response' then
  -- An error: the group is gone.
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)[1]
  if not pending or (consumer ~= '' and pending[2] ~= consumer) or pending[3] < tonumber(ARGV[5]) then return 0 end
  -- As in settle: it is never run again. Only who goes on renews the lease.
  local idle = how == 'part' and 0 or pending[3]
  redis.call('XCLAIM', stream, group, pending[2], 0, id, 'IDLE', idle, 'RETRYCOUNT', 3, 'JUSTID')
end
-- They have been told already, and the worker went away before the message was a dead letter.
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
    -- Not positive: the window is over, and the record gone.
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
