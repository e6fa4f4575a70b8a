-- Puts replies, a JSON array, into an inbox, and pushes them to the client, which has subscribed to the
-- channel with the name of the inbox. The inbox is the log: a push that is lost or refused loses nothing. A
-- push is the id of the entry, two blanks, and the replies. Earlier versions had the id of the entry before
-- it between the blanks.
-- ARGV
--   pushes            by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not

-- Larger replies are only announced, by the id of their entry. A client that is slow to read would else fill
-- its output buffer, and Redis would cut off its connection.
local PUSHED_BYTES = 16 * 1024

-- Returns the id of the entry, or the error of XADD on a key of another type. Then nothing has changed.
local function push_replies(inbox, replies)
  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)
  if pushes == '' or type(id) ~= 'string' then return id end
  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id
  if pushes == 'spublish' then
    redis.pcall('SPUBLISH', inbox, push)
    return id
  end
  -- Clients subscribe to the master, so its replicas need no copy.
  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end
  redis.pcall('PUBLISH', inbox, push)
  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end
  return id
end
