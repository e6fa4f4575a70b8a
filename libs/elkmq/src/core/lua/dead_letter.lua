-- Ends an attempt by moving its message to the dead letters.
-- KEYS: 1 event stream  2 dead letters, zset: origin by time  3 dead letters, hash: origin -> JSON  4 message queue
-- ARGV: 1 group  2 id  3 origin  4 time, ms  5 JSON of the dead letter  6 how many dead letters are kept
-- Returns the number of older dead letters that made room, or -1 when the attempt was not the worker's any more.
redis.replicate_commands()

if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return -1 end
redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[2])
if KEYS[4] then redis.call('LREM', KEYS[4], 1, ARGV[3]) end
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[5])

local surplus = redis.call('ZCARD', KEYS[2]) - ARGV[6]
if surplus <= 0 then return 0 end
local oldest = redis.call('ZRANGE', KEYS[2], 0, surplus - 1)
redis.call('ZREM', KEYS[2], unpack(oldest))
redis.call('HDEL', KEYS[3], unpack(oldest))
return surplus
