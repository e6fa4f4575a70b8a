-- Stores replies of attempts that are not finished, if their worker still owns the entry.
-- KEYS: 1 event stream  2.. inboxes
-- ARGV: 1 group  2.. per attempt: id, index of its inbox in KEYS or 0, its consumer, its replies: JSON values
--       joined by commas
-- Returns the ids of the attempts whose worker does not own the entry any more.

local stream, group = KEYS[1], ARGV[1]
local replies, lost = {}, {}
for i = 2, #ARGV, 4 do
  local id, inbox, consumer = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  -- XPENDING fails when the group is gone. Then the entry counts as lost, and the script goes on.
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)[1]
  if not pending or pending[2] ~= consumer then
    lost[#lost + 1] = id
  else
    -- A request that has answered in part is never run again. Its count of deliveries tells a recoverer so.
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', 3, 'JUSTID')
    if inbox > 0 then
      local packed = replies[inbox] or {}
      replies[inbox] = packed
      packed[#packed + 1] = ARGV[i + 3]
    end
  end
end

for inbox, packed in pairs(replies) do
  -- An inbox that does not exist belongs to a client that is gone, as in settle.
  if redis.call('EXISTS', KEYS[inbox]) == 1 then
    redis.pcall('XADD', KEYS[inbox], '*', 'replies', '[' .. table.concat(packed, ',') .. ']')
  end
end
return lost
