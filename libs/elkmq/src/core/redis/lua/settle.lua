-- Finishes attempts and passes on their replies. What an attempt has said goes out only while the attempt is its
-- worker's: a last reply when the entry could be deleted (the fence), an earlier one while it is pending for it.
-- KEYS: 1 event stream  2.. inboxes
-- ARGV: 1 group  2.. per attempt: id, place of its inbox in KEYS or 0, '' (finished) or its consumer (in part),
--       its replies: JSON values joined by commas
-- Returns the ids of the attempts that were not the worker's any more.
redis.replicate_commands()

local stream, group = KEYS[1], ARGV[1]
local finished, replies, lost = {}, {}, {}
for i = 2, #ARGV, 4 do
  local id, inbox, consumer = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local mine
  if consumer == '' then
    mine = redis.call('XDEL', stream, id) == 1
    finished[#finished + 1] = id
  else
    -- An error: the group is gone. The others of the batch are not to pay for it.
    local pending = redis.pcall('XPENDING', stream, group, id, id, 1)[1]
    mine = pending and pending[2] == consumer
    -- A request that has answered in part is never run again: its count of deliveries says so to a recoverer.
    if mine then redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', 3, 'JUSTID') end
  end
  if not mine then
    lost[#lost + 1] = id
  elseif inbox > 0 then
    local packed = replies[inbox]
    if not packed then
      packed = {}
      replies[inbox] = packed
    end
    packed[#packed + 1] = ARGV[i + 3]
  end
end
if #finished > 0 then redis.pcall('XACK', stream, group, unpack(finished)) end

for inbox, packed in pairs(replies) do
  -- No inbox: its client is gone. Anything else under its name is not ours to write to, so an error changes nothing.
  if redis.call('EXISTS', KEYS[inbox]) == 1 then
    redis.pcall('XADD', KEYS[inbox], '*', 'replies', '[' .. table.concat(packed, ',') .. ']')
  end
end
return lost
