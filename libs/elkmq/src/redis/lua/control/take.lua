-- Takes entries for a consumer, as many as the limits of the queue allow. For the concurrency everything
-- counts that is pending: of all workers, also of those that have gone, until their messages are settled or
-- put back. The rate is a GCRA on the clock of Redis: `tat` is the time at which the next message would be
-- due if all came evenly. Messages may come earlier than that by a part of the rate.
-- KEYS
--   event_stream
--   control
-- ARGV
--   group
--   consumer
--   count: number     the largest number of entries
-- Returns { the answer of XREADGROUP, time in ms until another call is worth it }. The time is 0 for at once,
-- and -1 when a message has to come or to end before.

-- A limit that is no number, or none that a worker can keep, is no limit.
local LARGEST = 2 ^ 31 - 1
-- The share of the rate that may be started at once.
local BURST = 1 / 20
-- A call that comes late by this much, us, does not lose its turn.
local SLACK_US = 5000
-- Tokens for this time, us, are waited for together.
local TOGETHER_US = 10000

local function limit_of(text)
  local value = tonumber(text)
  if value and value >= 1 and value <= LARGEST then return math.floor(value) end
end

local fields = redis.call('HMGET', control, 'paused', 'concurrency', 'rate', 'per', 'tat')
if fields[1] then return { false, -1 } end
local concurrency, rate, per = limit_of(fields[2]), limit_of(fields[3]), limit_of(fields[4])

local allowed = count
if concurrency then
  local pending = redis.pcall('XPENDING', event_stream, group)
  if pending.err then return pending end
  allowed = math.min(allowed, concurrency - pending[1])
  if allowed <= 0 then return { false, -1 } end
end

local has_rate = rate and per
local now, step, burst, tat
if has_rate then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
  step = per * 1000 / rate
  burst = math.max(math.floor(rate * BURST), 1)
  tat = tonumber(fields[5]) or 0
  -- Of more than a burst ahead it can only be when the clock of Redis has gone back.
  local is_of_now = now - tat <= SLACK_US and tat - now <= burst * step + SLACK_US
  if not is_of_now then tat = now end
end

-- Returns the time in ms until there are tokens again.
local function time_until_tokens()
  local tokens = math.min(burst, math.ceil(TOGETHER_US / step))
  return math.max(math.ceil((tat + (tokens - burst) * step - now) / 1000), 0)
end

if has_rate then
  -- The small part makes up for what a division loses.
  local free = math.floor((now - tat) / step + 0.000001) + burst
  if free <= 0 then return { false, math.max(time_until_tokens(), 1) } end
  allowed = math.min(allowed, free)
end

-- Returns whether an entry is a message that starts. A nudge and a legacy response are none.
local function is_start(entry_fields)
  local name = entry_fields[1]
  return name ~= 'due' and not (name == 'response' and #entry_fields == 2)
end

-- Returns how many of the entries count for the rate.
local function count_starts(entries)
  local starts = 0
  for _, entry in ipairs(entries) do
    if is_start(entry[2]) then starts = starts + 1 end
  end
  return starts
end

local reply = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', allowed, 'STREAMS', event_stream, '>')
if reply and reply.err then return reply end
local taken = reply and #reply[1][2] or 0
local starts = has_rate and taken > 0 and count_starts(reply[1][2]) or 0
if starts > 0 then
  tat = tat + starts * step
  -- The entries are taken, so an error here would lose them.
  redis.pcall('HSET', control, 'tat', string.format('%.0f', tat))
end
if taken < allowed then return { reply, -1 } end
if has_rate then return { reply, time_until_tokens() } end
return { reply, allowed == count and 0 or -1 }
