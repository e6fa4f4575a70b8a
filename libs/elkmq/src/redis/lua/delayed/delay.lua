-- Ends an attempt by delaying its message. The message comes again when it is due, as another attempt.
-- KEYS: 1 event stream  2 delayed, zset: origin by time  3 delayed, hash: origin -> fields as JSON
-- ARGV: 1 group  2 id  3 origin  4 delay, ms
--       5 JSON array of the fields of the next entry, name and value in turn
-- Returns 1, or 0 when the worker does not own the entry any more.

-- include shared/end_attempt.lua

-- These reads fail on a key of another type, before the script has written anything.
redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[3])
if not end_attempt(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
local time = redis.call('TIME')
local due = time[1] * 1000 + math.ceil(time[2] / 1000) + ARGV[4]
redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[3])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[5])
return 1
