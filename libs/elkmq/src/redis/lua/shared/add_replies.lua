-- Puts replies, a JSON array, into the inbox of a client, and pushes them. Nothing happens when there is no
-- inbox: the client is gone.

-- include shared/push_replies.lua

local function add_replies(inbox, replies)
  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end
end
