-- Puts one reply into the inbox of a client, unless the client is gone.
-- KEYS
--   inbox
-- ARGV
--   replies           JSON array of replies
-- Returns the id of the entry, or the time, ms since 1970, when the client is gone.

-- include shared/add_replies.lua
-- include shared/now_ms.lua

return add_replies(inbox, replies) or string.format('%.0f', now_ms())
