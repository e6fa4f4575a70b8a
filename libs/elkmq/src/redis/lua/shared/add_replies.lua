-- Puts replies, a JSON array, into the inbox of a client. The client is gone when there is no inbox. On a key
-- of another type XADD fails, and nothing changes.
local function add_replies(inbox, replies)
  if redis.call('EXISTS', inbox) == 1 then redis.pcall('XADD', inbox, '*', 'replies', replies) end
end
