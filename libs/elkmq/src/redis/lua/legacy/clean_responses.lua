-- Deletes legacy responses that nobody waits for any more, a page of the index a call. An index entry without
-- a response is deleted too.
-- KEYS: 1 event stream  2 response stream, the index
-- ARGV: 1 group  2 how much longer than its timeout an entry is kept, ms  3 first id of the page in the index
--       4 how many at the most
-- Returns two values: the number of deleted index entries, and the first id of the next page, '' at the end.

-- include shared/page.lua

local stream, index = KEYS[1], KEYS[2]
local SHORTEST, LONGEST = 1000, 65535000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deleted, size, count = 0, 0, 0
for _, entry in ipairs(redis.call('XRANGE', index, ARGV[3], '+', 'COUNT', ARGV[4])) do
  local id, body_id = entry[1], entry[2][2]
  local age = now - string.match(id, '^%d+') - ARGV[2]
  -- This response is too young to be deleted. All that follow are younger.
  if age < SHORTEST then return { deleted, '' } end
  local is_id = string.match(body_id, '^%d+%-%d+$')
  local body = is_id and redis.call('XRANGE', stream, body_id, body_id)[1]
  local timeout = is_id and 0 or LONGEST
  if body then
    local json = body[2][2]
    size = size + #json
    timeout = (tonumber(string.match(json, '"timeout":%s*(%d+)')) or 65535) * 1000
  end
  if age >= timeout then
    redis.call('XDEL', index, id)
    -- The index may name any entry, so only a response is deleted.
    if body and body[2][1] == 'response' then
      redis.call('XDEL', stream, body_id)
      redis.pcall('XACK', stream, ARGV[1], body_id)
    end
    deleted = deleted + 1
  end
  count = count + 1
  if count == tonumber(ARGV[4]) or size > MAX_BYTES then
    return { deleted, after(id) }
  end
end
return { deleted, '' }
