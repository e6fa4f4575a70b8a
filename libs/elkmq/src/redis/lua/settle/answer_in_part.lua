-- Stores replies of attempts that are not finished, if their worker still owns the entry.
-- KEYS
--   event_stream
--   inboxes...
-- ARGV
--   group
--   attempts...       per attempt: id, consumer, inbox: number, replies
--                     `inbox` is the number of its inbox among the inboxes, or 0. `replies` are JSON values
--                     joined by commas.
-- Returns the ids of the attempts whose worker does not own the entry any more.

-- include shared/add_replies.lua
-- include shared/deliveries.lua

local packs, lost = {}, {}
for i = attempts_at, #ARGV, 4 do
  local id, consumer, inbox, replies = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  -- XPENDING fails when the group is gone. Then the entry counts as lost, and the script goes on.
  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)[1]
  if not pending or pending[2] ~= consumer then
    lost[#lost + 1] = id
  else
    redis.call('XCLAIM', event_stream, group, consumer, 0, id, 'RETRYCOUNT', HAS_ANSWERED, 'JUSTID')
    if inbox > 0 then
      packs[inbox] = packs[inbox] or {}
      table.insert(packs[inbox], replies)
    end
  end
end

for inbox, pack in pairs(packs) do
  add_replies(KEYS[inboxes_at + inbox - 1], '[' .. table.concat(pack, ',') .. ']')
end
return lost
