-- Reads messages that wait behind another one of their ordering key, in no order, and writes nothing.
-- KEYS
--   lane_bodies
-- ARGV
--   cursor            of the step before, '0' at first
--   seen              origin of the last message that was looked at after this cursor, '' for none
--   limit: number     how many messages to look at, at the most
--   budget: number    bytes after which no further message is looked at
--   origins...        of the messages to find; none: all
-- Returns the cursor of the next step and the origin that it has seen, or '' and '' when there are no more;
-- then per message: its field in the hash, its fields.

-- include shared/fields.lua

-- HSCAN returns about this number of messages. Their bodies are in memory together.
local FEW = 10

-- Returns field, origin and fields of some messages, in the order of their origins.
local function read_few()
  local next_cursor, bodies = unpack(redis.call('HSCAN', lane_bodies, cursor, 'COUNT', FEW))
  local few = {}
  for i = 1, #bodies, 2 do
    local is_packed, fields = pcall(cmsgpack.unpack, bodies[i + 1])
    local origin = is_packed and are_fields(fields) and get_field(fields, 'origin')
    if origin then
      few[#few + 1] = { field = bodies[i], origin = origin, fields = fields, bytes = #bodies[i + 1] }
    end
  end
  table.sort(few, function(one, other) return one.origin < other.origin end)
  return next_cursor, few
end

local is_wanted = {}
for i = origins_at, #ARGV do is_wanted[ARGV[i]] = true end
local is_for_all = #ARGV < origins_at

local answer, looked, bytes = { '', '' }, 0, 0
repeat
  local next_cursor, few = read_few()
  for _, message in ipairs(few) do
    if message.origin > seen then
      if looked >= limit or bytes >= budget then
        answer[1], answer[2] = cursor, seen
        return answer
      end
      looked, bytes, seen = looked + 1, bytes + message.bytes, message.origin
      if is_for_all or is_wanted[seen] then
        answer[#answer + 1], answer[#answer + 2] = message.field, message.fields
      end
    end
  end
  cursor, seen = next_cursor, ''
until cursor == '0' or looked >= limit or bytes >= budget
if cursor ~= '0' then answer[1] = cursor end
return answer
