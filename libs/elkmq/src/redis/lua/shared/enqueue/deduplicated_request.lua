-- The record of a request's deduplication key is a hash: the id of the first request with it, the callers
-- that wait, and the replies so far, each without the request uuid.
-- KEYS
--   inbox             of this client
-- ARGV
--   client

-- include shared/now_ms.lua
-- include shared/push_replies.lua

local REPLIES_PER_ENTRY = 1000

-- Sends the replies so far to a request that joins another one.
local function send_replies(record, count, request)
  for from = 0, count - 1, REPLIES_PER_ENTRY do
    local numbers, replies = {}, {}
    for n = from, math.min(from + REPLIES_PER_ENTRY, count) - 1 do numbers[#numbers + 1] = n end
    for _, rest in ipairs(redis.call('HMGET', record, unpack(numbers))) do
      if rest then replies[#replies + 1] = '["' .. request .. '",' .. rest end
    end
    push_replies(inbox, '[' .. table.concat(replies, ',') .. ']')
  end
end

-- Makes the request one of those that wait for the replies to the first one. Returns the id of the first one.
-- When there is none, returns false, and whether something else may be in the place of the record.
local function join_request(record, wait, request)
  local first, waiters, count, ended =
    unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'count', 'ended'))
  -- A key of another type gives no values at all.
  if not first then return false, first == nil or waiters or count or ended end
  if not ended then
    local waiter = client .. ' ' .. request
    redis.call('HSET', record, 'waiters', waiters == '' and waiter or waiters .. ' ' .. waiter)
    if redis.call('PTTL', record) < wait then redis.call('PEXPIRE', record, wait) end
  end
  send_replies(record, tonumber(count) or 0, request)
  return first
end

-- `fields` and `options` are those of the first request.
local function remember_request(record, id, fields, options)
  local now, window = now_ms(), options.window
  -- The begun millisecond counts, so that no window is short.
  local ends = string.format('%.0f', now + 1 + window)
  local timeout = tonumber(string.match(fields[2], '"timeout":%s*(%d+)')) or 0
  local expires = string.format('%.0f', now + options.delay + timeout * 1000)
  local ordering_key = fields[5] == 'ordering_key' and fields[6] or ''
  redis.call('HSET', record, 'origin', id, 'ends', ends, 'expires', expires, 'ordering_key', ordering_key,
    'waiters', client .. ' ' .. options.request)
  redis.call('PEXPIRE', record, math.max(window, options.wait))
end
