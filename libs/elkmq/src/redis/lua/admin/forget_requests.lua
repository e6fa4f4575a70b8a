-- Deletes the records of deduplicated requests that have been removed, so that nobody joins them. A record that
-- is another request's by now stays.
-- KEYS
--   records...        record of the key of each request, hash
-- ARGV
--   origins...        of the requests, in the same order
-- Returns the number of records that were deleted.

local deleted = 0
for i = origins_at, #ARGV do
  local record = KEYS[records_at + i - origins_at]
  if redis.pcall('HGET', record, 'origin') == ARGV[i] then deleted = deleted + redis.call('DEL', record) end
end
return deleted
