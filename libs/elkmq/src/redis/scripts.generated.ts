// Generated from lua/*.lua by scripts/embed-lua.mjs. Do not edit.
import type { ScriptCall } from './scripts.js';

export const SCRIPTS = {
  announce: {
    name: 'announce',
    sha1: 'd1641d0c24e8cc99406d2d47fe2659fabb960cd4',
    commands: 'hdel hscan hset pexpire pttl time',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal workers = KEYS[1]\nlocal worker, description, ttl, cursor = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]\n\nlocal function is_live(member, now)\n  local seen, ttl = string.match(member, '^{\"seen\":(%d+),\"ttl\":(%d+),')\n  return seen ~= nil and seen + ttl > now\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal now = now_ms()\nlocal text = string.format('{\"seen\":%.0f,\"ttl\":%.0f,', now, ttl) .. string.sub(description, 2)\nredis.call('HSET', workers, worker, text)\nif redis.call('PTTL', workers) < ttl then redis.call('PEXPIRE', workers, ttl) end\nlocal page = redis.call('HSCAN', workers, cursor, 'COUNT', 10)\nfor i = 1, #page[2], 2 do\n  if not is_live(page[2][i + 1], now) then redis.call('HDEL', workers, page[2][i]) end\nend\nreturn page[1]\n",
  },
  forgetRequests: {
    name: 'forgetRequests',
    sha1: '7ee77e4e66fa307ce805912be4fabf5b4bcc9d2f',
    commands: 'del hget',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal records_at = 1\nlocal origins_at = 1\n\nlocal deleted = 0\nfor i = origins_at, #ARGV do\n  local record = KEYS[records_at + i - origins_at]\n  if redis.pcall('HGET', record, 'origin') == ARGV[i] then deleted = deleted + redis.call('DEL', record) end\nend\nreturn deleted\n",
  },
  listWorkers: {
    name: 'listWorkers',
    sha1: 'd0492360880e8edf88b5724b4c97100afc64abd6',
    commands: 'hgetall time',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal workers = KEYS[1]\n\nlocal function is_live(member, now)\n  local seen, ttl = string.match(member, '^{\"seen\":(%d+),\"ttl\":(%d+),')\n  return seen ~= nil and seen + ttl > now\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal now = now_ms()\nlocal members, live = redis.call('HGETALL', workers), {}\nfor i = 1, #members, 2 do\n  if is_live(members[i + 1], now) then\n    live[#live + 1], live[#live + 2] = members[i], members[i + 1]\n  end\nend\nreturn live\n",
  },
  pause: {
    name: 'pause',
    sha1: '75207dcc025afad045b072288cd1db9af1c3f69d',
    commands: 'hget hset time',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal control = KEYS[1]\nlocal by = ARGV[1]\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nif not redis.call('HGET', control, 'paused') then\n  redis.call('HSET', control, 'paused', string.format('%.0f', now_ms()))\n  if by ~= '' then redis.call('HSET', control, 'by', by) end\nend\nreturn { redis.call('HGET', control, 'paused'), redis.call('HGET', control, 'by') or '' }\n",
  },
  purgeWaiting: {
    name: 'purgeWaiting',
    sha1: '51aa3bcf88835116b077ae8b430ff92b4c1d0841',
    commands: 'hdel hget hincrby hlen hset lrem time xadd xdel xinfo|groups xrange zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, message_queue, lanes, lane_bodies, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]\nlocal group, first, last, limit, budget = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal function last_taken(stream, group)\n  local info = group_info(stream, group)\n  return info and info['last-delivered-id'] or '0-0'\nend\n\n\nlocal removed_requests = {}\n\nlocal function note_removed(fields, id)\n  local key = get_field(fields, 'deduplication')\n  if not key then return end\n  local next = #removed_requests + 1\n  removed_requests[next], removed_requests[next + 1] = key, get_field(fields, 'origin') or id\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal start = id_after(last_taken(event_stream, group))\nif first == '' or is_id_before(first, start) then first = start end\nif is_id_before(last, first) then return { 0, '', {} } end\n\nlocal count, bytes = 0, 0\nfor _ = 1, limit do\n  local entry = redis.call('XRANGE', event_stream, first, last, 'COUNT', 1)[1]\n  if not entry then return { count, '', removed_requests } end\n  local id, fields = entry[1], entry[2]\n  if fields[1] == 'due' then\n    redis.call('XDEL', event_stream, id)\n  elseif not (fields[1] == 'response' and #fields == 2) then\n    bytes = bytes + bytes_of(fields)\n    redis.call('LREM', message_queue, -1, id)\n    count = count + redis.call('XDEL', event_stream, id)\n    note_removed(fields, id)\n    local key = get_field(fields, 'ordering_key')\n    if key then release(key, get_field(fields, 'origin') or id) end\n  end\n  first = id_after(id)\n  if bytes >= budget then break end\nend\nreturn { count, first, removed_requests }\n",
  },
  queueState: {
    name: 'queueState',
    sha1: '12130128235ddcb17a04ff3e74dab1e6986bb6a2',
    commands: 'exists hget hgetall hlen hmget time xinfo|groups xlen xrange zcard',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, response_stream, delayed, dead_letters, workers, lanes, lane_bodies, control, moving = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]\nlocal group, ordering_keys = ARGV[1], ARGV[2]\n\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\nlocal function is_live(member, now)\n  local seen, ttl = string.match(member, '^{\"seen\":(%d+),\"ttl\":(%d+),')\n  return seen ~= nil and seen + ttl > now\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal info = group_info(event_stream, group) or { ['pending'] = 0, ['last-delivered-id'] = '0-0' }\nlocal MAX_PASSED = 100\n\nlocal function find_oldest()\n  local from, found = id_after(info['last-delivered-id']), nil\n  for _ = 0, MAX_PASSED do\n    found = redis.call('XRANGE', event_stream, from, '+', 'COUNT', 1)[1]\n    if not found then return '' end\n    local fields = found[2]\n    if fields[1] ~= 'due' and not (fields[1] == 'response' and #fields == 2) then break end\n    from = id_after(found[1])\n  end\n  return found[1]\nend\n\nlocal now = now_ms()\nlocal members, live, older = redis.call('HGETALL', workers), 0, 0\nlocal waiters, waits_for = 0, ''\nlocal has_keys = redis.call('EXISTS', lanes) == 1\nfor i = 2, #members, 2 do\n  if is_live(members[i], now) then\n    live = live + 1\n    if string.find(members[i], '\"waitsFor\":\"', 1, true) then\n      local is_json, description = pcall(cjson.decode, members[i])\n      if is_json then waiters, waits_for = waiters + 1, description.waitsFor end\n    end\n    if has_keys and not string.find(members[i], '\"' .. ordering_keys .. '\"', 1, true) then older = older + 1 end\n  end\nend\nlocal wanted = redis.call('HMGET', control, 'paused', 'by', 'concurrency', 'rate', 'per')\nreturn {\n  'entries', redis.call('XLEN', event_stream),\n  'responses', redis.call('XLEN', response_stream),\n  'running', info['pending'],\n  'oldest', find_oldest(),\n  'delayed', redis.call('ZCARD', delayed),\n  'deadLetters', redis.call('ZCARD', dead_letters),\n  'now', now,\n  'workers', live,\n  'behindKeys', redis.call('HLEN', lane_bodies),\n  'blockedKeys', tonumber(redis.call('HGET', lanes, '') or 0),\n  'olderWorkers', older,\n  'moving', redis.call('XLEN', moving),\n  'paused', wanted[1] or '',\n  'by', wanted[2] or '',\n  'concurrency', wanted[3] or '',\n  'rate', wanted[4] or '',\n  'per', wanted[5] or '',\n  'waitsFor', waiters == live and waits_for or '',\n}\n",
  },
  readHeads: {
    name: 'readHeads',
    sha1: '2700669e582942a6131510183208e5bd11086217',
    commands: 'hget xpending xrange zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, dead_letters, dead_letter_bodies = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]\nlocal group, heads_at = ARGV[1], 2\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\nlocal answer = {}\nfor i = heads_at, #ARGV, 2 do\n  local origin, entry = ARGV[i], ARGV[i + 1]\n  local state, fields, attempt, died_at = '', nil, nil, ''\n  if entry == 'd' then\n    local body = redis.call('ZSCORE', delayed, origin) and redis.call('HGET', delayed_bodies, origin)\n    local is_json, decoded = pcall(cjson.decode, body or '')\n    if is_json and are_fields(decoded) then state, fields = 'delayed', decoded end\n  elseif entry == 'x' then\n    died_at = redis.call('ZSCORE', dead_letters, origin) or ''\n    if died_at ~= '' then state = 'dead' end\n    attempt = string.match(redis.call('HGET', dead_letter_bodies, origin) or '', '\"attempts\":(%d+)')\n  else\n    local found = redis.call('XRANGE', event_stream, entry, entry)[1]\n    if found then\n      state = is_pending(event_stream, group, entry) and 'running' or 'waiting'\n      fields = found[2]\n    end\n  end\n  answer[#answer + 1] = state\n  if fields then attempt = get_field(fields, 'attempt') end\n  answer[#answer + 1] = attempt or '1'\n  answer[#answer + 1] = died_at\nend\nreturn answer\n",
  },
  readOrdered: {
    name: 'readOrdered',
    sha1: '661bda0c4807671fc811a41e234611f90161cf59',
    commands: 'hscan',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal lane_bodies = KEYS[1]\nlocal cursor, seen, limit, budget, origins_at = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), 5\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\n\nlocal FEW = 10\n\nlocal function read_few()\n  local next_cursor, bodies = unpack(redis.call('HSCAN', lane_bodies, cursor, 'COUNT', FEW))\n  local few = {}\n  for i = 1, #bodies, 2 do\n    local is_packed, fields = pcall(cmsgpack.unpack, bodies[i + 1])\n    local origin = is_packed and are_fields(fields) and get_field(fields, 'origin')\n    if origin then\n      few[#few + 1] = { field = bodies[i], origin = origin, fields = fields, bytes = #bodies[i + 1] }\n    end\n  end\n  table.sort(few, function(one, other) return one.origin < other.origin end)\n  return next_cursor, few\nend\n\nlocal is_wanted = {}\nfor i = origins_at, #ARGV do is_wanted[ARGV[i]] = true end\nlocal is_for_all = #ARGV < origins_at\n\nlocal answer, looked, bytes = { '', '' }, 0, 0\nrepeat\n  local next_cursor, few = read_few()\n  for _, message in ipairs(few) do\n    if message.origin > seen then\n      if looked >= limit or bytes >= budget then\n        answer[1], answer[2] = cursor, seen\n        return answer\n      end\n      looked, bytes, seen = looked + 1, bytes + message.bytes, message.origin\n      if is_for_all or is_wanted[seen] then\n        answer[#answer + 1], answer[#answer + 2] = message.field, message.fields\n      end\n    end\n  end\n  cursor, seen = next_cursor, ''\nuntil cursor == '0' or looked >= limit or bytes >= budget\nif cursor ~= '0' then answer[1] = cursor end\nreturn answer\n",
  },
  readRunning: {
    name: 'readRunning',
    sha1: 'c55cd87c796542ed0ad7adc36aee20f357d7f7ea',
    commands: 'time xpending xrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream = KEYS[1]\nlocal group, seen, limit, budget = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal from = seen == '' and '-' or id_after(seen)\nlocal pending = redis.pcall('XPENDING', event_stream, group, from, '+', limit)\nlocal answer, bytes = { 1, now_ms() }, 0\nif pending.err then return answer end\nfor _, about in ipairs(pending) do\n  if bytes >= budget then\n    answer[1] = 0\n    return answer\n  end\n  local entry = redis.call('XRANGE', event_stream, about[1], about[1])[1]\n  answer[#answer + 1], answer[#answer + 2] = about[1], entry and entry[2] or false\n  answer[#answer + 1], answer[#answer + 2] = about[2], about[3]\n  if entry then bytes = bytes + bytes_of(entry[2]) end\nend\nif #pending == limit then answer[1] = 0 end\nreturn answer\n",
  },
  readWaiting: {
    name: 'readWaiting',
    sha1: 'a57fe25167ff82d76225072357d1689e2b3d6104',
    commands: 'xinfo|groups xrange xrevrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream = KEYS[1]\nlocal group, seen, order, limit, budget = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal function last_taken(stream, group)\n  local info = group_info(stream, group)\n  return info and info['last-delivered-id'] or '0-0'\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal function id_below(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) > 0 then return time .. '-' .. string.format('%.0f', number - 1) end\n  if tonumber(time) > 0 then return string.format('%.0f-18446744073709551615', time - 1) end\n  return nil\nend\n\nlocal last = last_taken(event_stream, group)\nlocal is_forward = order == 'oldest'\nlocal next_of = is_forward and id_after or id_below\nlocal next_id = '+'\nif is_forward and (seen == '' or is_id_before(seen, last)) then seen = last end\nif seen ~= '' then next_id = next_of(seen) end\nlocal answer, bytes = { 0 }, 0\nwhile #answer < 1 + 2 * limit and bytes < budget do\n  local entry\n  if is_forward then entry = redis.call('XRANGE', event_stream, next_id, '+', 'COUNT', 1)[1]\n  elseif next_id then entry = redis.call('XREVRANGE', event_stream, next_id, '-', 'COUNT', 1)[1] end\n  if not entry or not is_id_before(last, entry[1]) then\n    answer[1] = 1\n    return answer\n  end\n  answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2]\n  bytes = bytes + bytes_of(entry[2])\n  next_id = next_of(entry[1])\nend\nreturn answer\n",
  },
  removeMessages: {
    name: 'removeMessages',
    sha1: '016b77784ed95a29096b9ffbfdea95073c31f46b',
    commands: 'hdel hget hincrby hlen hmget hset lrem time xadd xdel xpending xrange zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, dead_letters, dead_letter_bodies, message_queue, lanes, lane_bodies, cancelled, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]\nlocal group, budget, ids_at = ARGV[1], tonumber(ARGV[2]), 3\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal MAX_FREED_KEYS = 100\n\nlocal function hold(key, origin)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head and head ~= origin then return end\n  set_lane(key, origin, DEAD, first or 1, last or 0)\n  redis.call('HSET', held, origin, key)\nend\n\nlocal function free_keys(origins, from, to)\n  local keys, freed = redis.call('HMGET', held, unpack(origins, from, to)), 0\n  for i = from, to do\n    local key = keys[i - from + 1]\n    if key then\n      redis.call('HDEL', held, origins[i])\n      if release(key, origins[i]) then freed = freed + 1 end\n      if freed == MAX_FREED_KEYS then return i - from + 1, freed end\n    end\n  end\n  return to - from + 1, freed\nend\n\n\nlocal removed_requests = {}\n\nlocal function note_removed(fields, id)\n  local key = get_field(fields, 'deduplication')\n  if not key then return end\n  local next = #removed_requests + 1\n  removed_requests[next], removed_requests[next + 1] = key, get_field(fields, 'origin') or id\nend\n\nlocal count, bytes, missing = 0, 0, {}\n\nlocal function end_message(fields, id)\n  note_removed(fields, id)\n  local key = get_field(fields, 'ordering_key')\n  if key then release(key, get_field(fields, 'origin') or id) end\nend\n\nlocal function remove_entry(id)\n  local entry = redis.call('XRANGE', event_stream, id, id)[1]\n  if not entry then return nil end\n  if is_pending(event_stream, group, id) then return 0 end\n  bytes = bytes + bytes_of(entry[2])\n  redis.call('LREM', message_queue, -1, id)\n  local removed = redis.call('XDEL', event_stream, id)\n  if entry[2][1] == 'due' then return 0 end\n  end_message(entry[2], id)\n  return removed\nend\n\nlocal function remove_body(index, hash, id)\n  if redis.call('ZREM', index, id) == 0 then return 0 end\n  local body = redis.call('HGET', hash, id) or ''\n  bytes = bytes + #body\n  redis.call('HDEL', hash, id)\n  if index == dead_letters then\n    free_keys({ id }, 1, 1)\n    return 1\n  end\n  local is_json, fields = pcall(cjson.decode, body)\n  if is_json and are_fields(fields) then end_message(fields, id) end\n  return 1\nend\n\nfor i = ids_at, #ARGV do\n  local id = ARGV[i]\n  if bytes >= budget then return { count, i - ids_at, removed_requests, missing } end\n  local removed = remove_body(delayed, delayed_bodies, id) + remove_body(dead_letters, dead_letter_bodies, id)\n  local entries = remove_entry(id)\n  if removed + (entries or 0) > 0 then count = count + 1\n  elseif not entries then missing[#missing + 1] = id end\nend\nreturn { count, #ARGV - ids_at + 1, removed_requests, missing }\n",
  },
  removeOrdered: {
    name: 'removeOrdered',
    sha1: 'a2235e61eba8219fcd0156c9a72c272e5c4fafa6',
    commands: 'hdel hget hincrby hset hstrlen',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal lanes, lane_bodies = KEYS[1], KEYS[2]\nlocal budget, messages_at = tonumber(ARGV[1]), 2\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\n\nlocal removed_requests = {}\n\nlocal function note_removed(fields, id)\n  local key = get_field(fields, 'deduplication')\n  if not key then return end\n  local next = #removed_requests + 1\n  removed_requests[next], removed_requests[next + 1] = key, get_field(fields, 'origin') or id\nend\n\nlocal MAX_PASSED = 1000\nlocal passed = 0\n\nlocal function is_free(key, number)\n  local field = field_of(key, number)\n  if passed >= MAX_PASSED or redis.call('HSTRLEN', lane_bodies, field) > 0 then return false end\n  passed = passed + 1\n  return true\nend\n\nlocal function shorten(key)\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or first > last then return end\n  local old_first, old_last = first, last\n  while first <= last and is_free(key, first) do first = first + 1 end\n  while first <= last and is_free(key, last) do last = last - 1 end\n  if first == old_first and last == old_last then return end\n  set_lane(key, head, entry, first, last)\n  if first > last then count_blocked(-1) end\nend\n\nlocal function remove_body(field, origin)\n  local body = redis.call('HGET', lane_bodies, field)\n  if not body then return nil end\n  local is_packed, fields = pcall(cmsgpack.unpack, body)\n  if not is_packed or not are_fields(fields) or get_field(fields, 'origin') ~= origin then return nil end\n  redis.call('HDEL', lane_bodies, field)\n  note_removed(fields, origin)\n  local key = string.match(field, '^%d+ (.+)$')\n  if key then shorten(key) end\n  return #body\nend\n\nlocal count, bytes = 0, 0\nfor i = messages_at, #ARGV, 2 do\n  if bytes >= budget then return { count, (i - messages_at) / 2, removed_requests } end\n  local removed = remove_body(ARGV[i], ARGV[i + 1])\n  if removed then count, bytes = count + 1, bytes + removed end\nend\nreturn { count, (#ARGV - messages_at + 1) / 2, removed_requests }\n",
  },
  runDelayed: {
    name: 'runDelayed',
    sha1: '079d9c9c7baad6dd1ea68cfcc7efa03dc05f8436',
    commands: 'hdel hget hincrby hset incrby pexpire time xadd xdel xpending xrange zrem zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, lanes, lane_bodies, lane_ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]\nlocal group, budget, origins_at = ARGV[1], tonumber(ARGV[2]), 3\n\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal LANE_IDS_TTL_MS = 60000\nlocal IDS_PER_NUMBER = 999\nlocal id_prefix, ids_made = nil, IDS_PER_NUMBER\n\nlocal function make_id()\n  if ids_made == IDS_PER_NUMBER then\n    local number = redis.call('INCRBY', lane_ids, 1)\n    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)\n    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0\n  end\n  ids_made = ids_made + 1\n  return id_prefix .. string.format('%03d', ids_made)\nend\n\nlocal function add_to_lane(key, fields, origin)\n  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or head == origin then\n    local id = redis.call('XADD', event_stream, '*', unpack(fields))\n    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end\n    return id\n  end\n  if not origin then\n    origin = make_id()\n    fields[#fields + 1], fields[#fields + 2] = 'origin', origin\n  end\n  if first > last then count_blocked(1) end\n  last = last + 1\n  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))\n  set_lane(key, head, entry, first, last)\n  return origin\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal function promote_message(origin, body)\n  local is_json, fields = pcall(cjson.decode, body)\n  if not is_json or not are_fields(fields) then fields = { 'event', body, 'origin', origin } end\n  local key = get_field(fields, 'ordering_key')\n  if key then add_to_lane(key, fields, origin)\n  else redis.call('XADD', event_stream, '*', unpack(fields)) end\nend\n\nlocal function delete_nudge(origin)\n  if not parts_of_id(origin) then return end\n  local entry = redis.pcall('XRANGE', event_stream, origin, origin)[1]\n  if entry and entry[2][1] == 'due' and not is_pending(event_stream, group, origin) then\n    redis.pcall('XDEL', event_stream, origin)\n  end\nend\n\nlocal function forget_delayed(origins)\n  redis.call('ZREM', delayed, unpack(origins))\n  redis.call('HDEL', delayed_bodies, unpack(origins))\n  for _, origin in ipairs(origins) do delete_nudge(origin) end\nend\n\nlocal count, bytes = 0, 0\nfor i = origins_at, #ARGV do\n  local origin = ARGV[i]\n  if bytes >= budget then return { count, i - origins_at } end\n  local body = redis.call('ZSCORE', delayed, origin) and redis.call('HGET', delayed_bodies, origin)\n  if body then\n    bytes = bytes + #body\n    promote_message(origin, body)\n    forget_delayed({ origin })\n    count = count + 1\n  end\nend\nreturn { count, #ARGV - origins_at + 1 }\n",
  },
  setLimits: {
    name: 'setLimits',
    sha1: '62ff7efa8f9f5b9cd054216fa7f56fc417a4b0ef',
    commands: 'hdel hmget hset',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal control = KEYS[1]\nlocal concurrency, rate, per = ARGV[1], ARGV[2], ARGV[3]\n\nlocal before = redis.call('HMGET', control, 'rate', 'per')\nif before[1] ~= rate or before[2] ~= per then redis.call('HDEL', control, 'tat') end\nredis.call('HDEL', control, 'concurrency', 'rate', 'per')\nif concurrency ~= '' then redis.call('HSET', control, 'concurrency', concurrency) end\nif rate ~= '' then redis.call('HSET', control, 'rate', rate, 'per', per) end\n",
  },
  time: {
    name: 'time',
    sha1: '7ad692c73cace7ffcf28f6dcaf988a6711e0f8ac',
    commands: 'time',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream = KEYS[1]\nreturn redis.call('TIME')\n",
  },
  take: {
    name: 'take',
    sha1: 'd5c04a659f2e59096074bc8f7c2e9045cfe4cbc9',
    commands: 'hmget hset time xpending xreadgroup',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, control = KEYS[1], KEYS[2]\nlocal group, consumer, count = ARGV[1], ARGV[2], tonumber(ARGV[3])\n\nlocal LARGEST = 2 ^ 31 - 1\nlocal BURST = 1 / 20\nlocal SLACK_US = 5000\nlocal TOGETHER_US = 10000\n\nlocal function limit_of(text)\n  local value = tonumber(text)\n  if value and value >= 1 and value <= LARGEST then return math.floor(value) end\nend\n\nlocal fields = redis.call('HMGET', control, 'paused', 'concurrency', 'rate', 'per', 'tat')\nif fields[1] then return { false, -1 } end\nlocal concurrency, rate, per = limit_of(fields[2]), limit_of(fields[3]), limit_of(fields[4])\n\nlocal allowed = count\nif concurrency then\n  local pending = redis.pcall('XPENDING', event_stream, group)\n  if pending.err then return pending end\n  allowed = math.min(allowed, concurrency - pending[1])\n  if allowed <= 0 then return { false, -1 } end\nend\n\nlocal has_rate = rate and per\nlocal now, step, burst, tat\nif has_rate then\n  local time = redis.call('TIME')\n  now = time[1] * 1000000 + time[2]\n  step = per * 1000 / rate\n  burst = math.max(math.floor(rate * BURST), 1)\n  tat = tonumber(fields[5]) or 0\n  local is_of_now = now - tat <= SLACK_US and tat - now <= burst * step + SLACK_US\n  if not is_of_now then tat = now end\nend\n\nlocal function time_until_tokens()\n  local tokens = math.min(burst, math.ceil(TOGETHER_US / step))\n  return math.max(math.ceil((tat + (tokens - burst) * step - now) / 1000), 0)\nend\n\nif has_rate then\n  local free = math.floor((now - tat) / step + 0.000001) + burst\n  if free <= 0 then return { false, math.max(time_until_tokens(), 1) } end\n  allowed = math.min(allowed, free)\nend\n\nlocal function is_start(entry_fields)\n  local name = entry_fields[1]\n  return name ~= 'due' and not (name == 'response' and #entry_fields == 2)\nend\n\nlocal function count_starts(entries)\n  local starts = 0\n  for _, entry in ipairs(entries) do\n    if is_start(entry[2]) then starts = starts + 1 end\n  end\n  return starts\nend\n\nlocal reply = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', allowed, 'STREAMS', event_stream, '>')\nif reply and reply.err then return reply end\nlocal taken = reply and #reply[1][2] or 0\nlocal starts = has_rate and taken > 0 and count_starts(reply[1][2]) or 0\nif starts > 0 then\n  tat = tat + starts * step\n  redis.pcall('HSET', control, 'tat', string.format('%.0f', tat))\nend\nif taken < allowed then return { reply, -1 } end\nif has_rate then return { reply, time_until_tokens() } end\nreturn { reply, allowed == count and 0 or -1 }\n",
  },
  countDeadLetters: {
    name: 'countDeadLetters',
    sha1: '9594e294405fcac4d37ea2f79b0e5d68d77e49d0',
    commands: 'zcard',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal dead_letters = KEYS[1]\nreturn redis.call('ZCARD', dead_letters)\n",
  },
  deadLetter: {
    name: 'deadLetter',
    sha1: 'fcd69765171db1e03f2ff455da52b7bdddf0dc2c',
    commands: 'exists hdel hget hincrby hlen hmget hset hstrlen llen lrem publish spublish time xack xadd xdel xpending xrange zadd zcard zcount zrange zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, dead_letters, dead_letter_bodies, message_queue, lanes, lane_bodies, cancelled, held, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]\nlocal group, id, origin, ordering_key, holds_key, died_at, letter, with_fields, max, max_age, consumer, min_idle, is_listed, replies, pushes = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1', tonumber(ARGV[6]), ARGV[7], ARGV[8] == '1', tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11], tonumber(ARGV[12]), ARGV[13] == '1', ARGV[14], ARGV[15]\n\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\nlocal MAX_FREED_BYTES = 64 * 1024 * 1024\n\nlocal function how_many_to_free(hash, fields, first, last)\n  local bytes = 0\n  for i = first, last do\n    bytes = bytes + redis.call('HSTRLEN', hash, fields[i])\n    if bytes >= MAX_FREED_BYTES then return i - first + 1 end\n  end\n  return last - first + 1\nend\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal MAX_FREED_KEYS = 100\n\nlocal function hold(key, origin)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head and head ~= origin then return end\n  set_lane(key, origin, DEAD, first or 1, last or 0)\n  redis.call('HSET', held, origin, key)\nend\n\nlocal function free_keys(origins, from, to)\n  local keys, freed = redis.call('HMGET', held, unpack(origins, from, to)), 0\n  for i = from, to do\n    local key = keys[i - from + 1]\n    if key then\n      redis.call('HDEL', held, origins[i])\n      if release(key, origins[i]) then freed = freed + 1 end\n      if freed == MAX_FREED_KEYS then return i - from + 1, freed end\n    end\n  end\n  return to - from + 1, freed\nend\n\nredis.call('ZCARD', dead_letters)\nredis.call('HLEN', dead_letter_bodies)\nredis.call('HLEN', held)\nif is_listed then redis.call('LLEN', message_queue) end\nif consumer ~= '' then\n  local pending = redis.call('XPENDING', event_stream, group, id, id, 1)[1]\n  if not pending or pending[2] ~= consumer or pending[3] < min_idle then return {} end\nend\nif with_fields then\n  local entry = redis.call('XRANGE', event_stream, id, id)[1]\n  if not entry then return {} end\n  letter = string.sub(letter, 1, -2) .. ',\"fields\":' .. cjson.encode(entry[2]) .. '}'\nend\nif not end_attempt(event_stream, group, id) then return {} end\nif is_listed then redis.call('LREM', message_queue, -1, origin) end\nif inbox then add_replies(inbox, replies) end\nredis.call('ZADD', dead_letters, died_at, origin)\nredis.call('HSET', dead_letter_bodies, origin, letter)\nif ordering_key ~= '' then\n  if holds_key then hold(ordering_key, origin) else release(ordering_key, origin) end\nend\n\nlocal surplus = redis.call('ZCARD', dead_letters) - max\nlocal old = redis.call('ZCOUNT', dead_letters, '-inf', now_ms() - max_age)\nlocal removed = math.min(math.max(surplus, old), 1000)\nif removed <= 0 then return { 0, 0, 0 } end\nlocal oldest = redis.call('ZRANGE', dead_letters, 0, removed - 1)\nlocal freed\nremoved = how_many_to_free(dead_letter_bodies, oldest, 1, #oldest)\nremoved, freed = free_keys(oldest, 1, removed)\nredis.call('ZREM', dead_letters, unpack(oldest, 1, removed))\nredis.call('HDEL', dead_letter_bodies, unpack(oldest, 1, removed))\nold = math.min(old, removed)\nreturn { removed - old, old, freed }\n",
  },
  getDeadLetter: {
    name: 'getDeadLetter',
    sha1: '0c3a480f73e9dd86b2bc993b6d776c3f95aaee22',
    commands: 'hget',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal dead_letter_bodies = KEYS[1]\nlocal origin = ARGV[1]\nreturn redis.call('HGET', dead_letter_bodies, origin)\n",
  },
  listDeadLetters: {
    name: 'listDeadLetters',
    sha1: '7dd82f3f4c801f758ef72e475986e7826c9f1212',
    commands: 'hget zrevrangebyscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal dead_letters, dead_letter_bodies = KEYS[1], KEYS[2]\nlocal from, last, limit, budget = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])\n\nlocal function precedes(a, b)\n  for i = 1, math.min(#a, #b) do\n    local x, y = string.byte(a, i), string.byte(b, i)\n    if x ~= y then return x < y end\n  end\n  return #a < #b\nend\n\nlocal STEP = 1000\nlocal answer, count, offset = { 0 }, 0, 0\nwhile true do\n  local index = redis.call('ZREVRANGEBYSCORE', dead_letters, from, '-inf',\n    'WITHSCORES', 'LIMIT', offset, STEP)\n  for i = 1, #index, 2 do\n    local origin, time = index[i], index[i + 1]\n    if time ~= from or precedes(origin, last) then\n      if count == limit or budget <= 0 then return answer end\n      local letter = redis.call('HGET', dead_letter_bodies, origin)\n      if letter then\n        answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = time, origin, letter\n        count = count + 1\n        budget = budget - #letter\n      end\n    end\n  end\n  if #index < 2 * STEP then\n    answer[1] = 1\n    return answer\n  end\n  offset = offset + STEP\nend\n",
  },
  removeAbandonedLetter: {
    name: 'removeAbandonedLetter',
    sha1: 'b10c2d763ac23104d1e636c67e50837383b55cd9',
    commands: 'hdel hget hincrby hlen hmget hset time xadd zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, dead_letters, dead_letter_bodies, lanes, lane_bodies, cancelled, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal origin, beginning = ARGV[1], ARGV[2]\n\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal MAX_FREED_KEYS = 100\n\nlocal function hold(key, origin)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head and head ~= origin then return end\n  set_lane(key, origin, DEAD, first or 1, last or 0)\n  redis.call('HSET', held, origin, key)\nend\n\nlocal function free_keys(origins, from, to)\n  local keys, freed = redis.call('HMGET', held, unpack(origins, from, to)), 0\n  for i = from, to do\n    local key = keys[i - from + 1]\n    if key then\n      redis.call('HDEL', held, origins[i])\n      if release(key, origins[i]) then freed = freed + 1 end\n      if freed == MAX_FREED_KEYS then return i - from + 1, freed end\n    end\n  end\n  return to - from + 1, freed\nend\n\nlocal letter = redis.call('HGET', dead_letter_bodies, origin)\nif not letter or string.sub(letter, 1, #beginning) ~= beginning then return 0 end\nredis.call('HDEL', dead_letter_bodies, origin)\nredis.call('ZREM', dead_letters, origin)\nfree_keys({ origin }, 1, 1)\nreturn 1\n",
  },
  removeDeadLetters: {
    name: 'removeDeadLetters',
    sha1: 'f947618a1a9438d303e42e7a9e8ee436c3214330',
    commands: 'hdel hget hincrby hlen hmget hset hstrlen time xadd zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, dead_letters, dead_letter_bodies, lanes, lane_bodies, cancelled, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal origins_at = 1\n\nlocal MAX_FREED_BYTES = 64 * 1024 * 1024\n\nlocal function how_many_to_free(hash, fields, first, last)\n  local bytes = 0\n  for i = first, last do\n    bytes = bytes + redis.call('HSTRLEN', hash, fields[i])\n    if bytes >= MAX_FREED_BYTES then return i - first + 1 end\n  end\n  return last - first + 1\nend\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal MAX_FREED_KEYS = 100\n\nlocal function hold(key, origin)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head and head ~= origin then return end\n  set_lane(key, origin, DEAD, first or 1, last or 0)\n  redis.call('HSET', held, origin, key)\nend\n\nlocal function free_keys(origins, from, to)\n  local keys, freed = redis.call('HMGET', held, unpack(origins, from, to)), 0\n  for i = from, to do\n    local key = keys[i - from + 1]\n    if key then\n      redis.call('HDEL', held, origins[i])\n      if release(key, origins[i]) then freed = freed + 1 end\n      if freed == MAX_FREED_KEYS then return i - from + 1, freed end\n    end\n  end\n  return to - from + 1, freed\nend\n\nlocal seen = how_many_to_free(dead_letter_bodies, ARGV, origins_at, #ARGV)\nseen = free_keys(ARGV, origins_at, origins_at + seen - 1)\nlocal last = origins_at + seen - 1\nredis.call('ZREM', dead_letters, unpack(ARGV, origins_at, last))\nreturn { redis.call('HDEL', dead_letter_bodies, unpack(ARGV, origins_at, last)), seen }\n",
  },
  revive: {
    name: 'revive',
    sha1: '6fc0f4767ef129874b98386cbbb5d40fbfdd1ac6',
    commands: 'hdel hget hincrby hlen hset incrby pexpire time xadd zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, dead_letters, dead_letter_bodies, lanes, lane_bodies, lane_ids, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal budget, origins_at = tonumber(ARGV[1]), 2\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\n\nlocal STARTS_ANEW = {\n  origin = true, attempt = true, abandoned_attempts = true, deduplication = true, listed = true, errors = true,\n  due = true,\n}\n\nlocal function revived(letter)\n  local old = letter.fields\n  if not are_fields(old) then return nil end\n  local fields, is_ours = {}, false\n  for i = 1, #old, 2 do\n    local name, value = old[i], old[i + 1]\n    if name == 'reply_to' then\n      value, is_ours = '', true\n    end\n    if not STARTS_ANEW[name] then fields[#fields + 1], fields[#fields + 2] = name, value end\n  end\n  if not is_ours then fields[#fields + 1], fields[#fields + 2] = 'reply_to', '' end\n  return fields\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal LANE_IDS_TTL_MS = 60000\nlocal IDS_PER_NUMBER = 999\nlocal id_prefix, ids_made = nil, IDS_PER_NUMBER\n\nlocal function make_id()\n  if ids_made == IDS_PER_NUMBER then\n    local number = redis.call('INCRBY', lane_ids, 1)\n    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)\n    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0\n  end\n  ids_made = ids_made + 1\n  return id_prefix .. string.format('%03d', ids_made)\nend\n\nlocal function add_to_lane(key, fields, origin)\n  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or head == origin then\n    local id = redis.call('XADD', event_stream, '*', unpack(fields))\n    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end\n    return id\n  end\n  if not origin then\n    origin = make_id()\n    fields[#fields + 1], fields[#fields + 2] = 'origin', origin\n  end\n  if first > last then count_blocked(1) end\n  last = last + 1\n  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))\n  set_lane(key, head, entry, first, last)\n  return origin\nend\n\nlocal function take_place(key, fields, origin)\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head ~= origin or entry ~= DEAD then return false end\n  local id = redis.call('XADD', event_stream, '*', unpack(fields))\n  set_lane(key, id, id, first, last)\n  return true\nend\n\nredis.call('HLEN', held)\nlocal count = 0\nfor i = origins_at, #ARGV do\n  if budget <= 0 then return { count, i - origins_at } end\n  local body = redis.call('HGET', dead_letter_bodies, ARGV[i])\n  local readable, letter = pcall(cjson.decode, body)\n  local fields = readable and type(letter) == 'table' and revived(letter)\n  if fields then\n    local key = get_field(fields, 'ordering_key')\n    if not key then redis.call('XADD', event_stream, '*', unpack(fields))\n    elseif not take_place(key, fields, ARGV[i]) then add_to_lane(key, fields) end\n    redis.call('HDEL', held, ARGV[i])\n    redis.call('HDEL', dead_letter_bodies, ARGV[i])\n    redis.call('ZREM', dead_letters, ARGV[i])\n    count = count + 1\n    budget = budget - #body\n  end\nend\nreturn { count, #ARGV - origins_at + 1 }\n",
  },
  delay: {
    name: 'delay',
    sha1: 'c4103cf3c9e9601e6f09de5190f62fb3c34aae77',
    commands: 'hdel hget hincrby hlen hset time xack xdel zadd zcard',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, lanes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\nlocal group, attempts_at = ARGV[1], 2\n\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nredis.call('ZCARD', delayed)\nredis.call('HLEN', delayed_bodies)\nlocal lost = {}\nfor i = attempts_at, #ARGV, 5 do\n  local id, origin, ordering_key, delay, fields = unpack(ARGV, i, i + 4)\n  if end_attempt(event_stream, group, id) then\n    redis.call('ZADD', delayed, string.format('%.0f', now_ms() + 1 + delay), origin)\n    redis.call('HSET', delayed_bodies, origin, fields)\n    if ordering_key ~= '' then move_head(ordering_key, origin, DELAYED) end\n  else\n    lost[#lost + 1] = id\n  end\nend\nreturn lost\n",
  },
  promote: {
    name: 'promote',
    sha1: '9e02831104213d61e01e61b6698230b8a52b5439',
    commands: 'hdel hget hincrby hset incrby pexpire time xadd xdel xpending xrange zrange zrangebyscore zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, lanes, lane_bodies, lane_ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]\nlocal group, limit, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\n\nlocal LANE_IDS_TTL_MS = 60000\nlocal IDS_PER_NUMBER = 999\nlocal id_prefix, ids_made = nil, IDS_PER_NUMBER\n\nlocal function make_id()\n  if ids_made == IDS_PER_NUMBER then\n    local number = redis.call('INCRBY', lane_ids, 1)\n    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)\n    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0\n  end\n  ids_made = ids_made + 1\n  return id_prefix .. string.format('%03d', ids_made)\nend\n\nlocal function add_to_lane(key, fields, origin)\n  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or head == origin then\n    local id = redis.call('XADD', event_stream, '*', unpack(fields))\n    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end\n    return id\n  end\n  if not origin then\n    origin = make_id()\n    fields[#fields + 1], fields[#fields + 2] = 'origin', origin\n  end\n  if first > last then count_blocked(1) end\n  last = last + 1\n  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))\n  set_lane(key, head, entry, first, last)\n  return origin\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal function promote_message(origin, body)\n  local is_json, fields = pcall(cjson.decode, body)\n  if not is_json or not are_fields(fields) then fields = { 'event', body, 'origin', origin } end\n  local key = get_field(fields, 'ordering_key')\n  if key then add_to_lane(key, fields, origin)\n  else redis.call('XADD', event_stream, '*', unpack(fields)) end\nend\n\nlocal function delete_nudge(origin)\n  if not parts_of_id(origin) then return end\n  local entry = redis.pcall('XRANGE', event_stream, origin, origin)[1]\n  if entry and entry[2][1] == 'due' and not is_pending(event_stream, group, origin) then\n    redis.pcall('XDEL', event_stream, origin)\n  end\nend\n\nlocal function forget_delayed(origins)\n  redis.call('ZREM', delayed, unpack(origins))\n  redis.call('HDEL', delayed_bodies, unpack(origins))\n  for _, origin in ipairs(origins) do delete_nudge(origin) end\nend\n\nlocal now = now_ms()\nlocal origins, bytes = {}, 0\nfor _, origin in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, limit)) do\n  local body = redis.call('HGET', delayed_bodies, origin)\n  if body then\n    bytes = bytes + #body\n    if bytes > max_bytes and bytes > #body then break end\n    local is_promoted, failure = pcall(promote_message, origin, body)\n    if not is_promoted then\n      if #origins > 0 then forget_delayed(origins) end\n      error(failure, 0)\n    end\n  end\n  origins[#origins + 1] = origin\nend\nif #origins > 0 then forget_delayed(origins) end\n\nlocal first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')\nif #first == 0 then return -1 end\nreturn math.max(first[2] - now, 0)\n",
  },
  enqueue: {
    name: 'enqueue',
    sha1: 'eb14025a115e08a656ea408b2dcc82386c4cc21a',
    commands: 'hget hset pexpire pttl xadd xdel',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, producer, inbox = KEYS[1], KEYS[2], KEYS[3]\nlocal client, batch, answer_field, answer_ttl_ms, inbox_needed, messages_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), 6\n\n\nlocal known = redis.call('HGET', producer, answer_field)\nif known then\n  local stored = string.match(known, '^%d+')\n  if stored == batch then\n    redis.call('PEXPIRE', producer, answer_ttl_ms)\n    return string.sub(known, #stored + 2)\n  end\n  if tonumber(stored) > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end\nend\n\nlocal ids = {}\nfor i = messages_at, #ARGV do\n  ids[i - messages_at + 1] = redis.call('XADD', event_stream, '*', 'event', ARGV[i], 'reply_to', client)\nend\n\n\nif inbox_needed > 0 then\n  local left = redis.call('PTTL', inbox)\n  if left == -2 then\n    redis.call('XDEL', inbox, redis.call('XADD', inbox, '*', 'created', ''))\n  end\n  if left < inbox_needed then redis.call('PEXPIRE', inbox, inbox_needed + 30000) end\nend\nlocal answer = table.concat(ids, ',')\nredis.call('HSET', producer, answer_field, batch .. ' ' .. answer)\nredis.call('PEXPIRE', producer, answer_ttl_ms)\nreturn answer\n",
  },
  enqueueWithOptions: {
    name: 'enqueueWithOptions',
    sha1: '641ee75274b03749cfd03ce83ed4b0fa58355261',
    commands: 'del get hdel hget hincrby hlen hmget hset incrby llen lpush pexpire pttl publish set spublish time xadd xdel xlen xpending zadd zcard zrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, message_queue, leftovers, response_stream, inbox, lanes, lane_bodies, lane_ids, producer, records_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], 12\nlocal group, client, max_length, legacy_consumers, kept_longer, after, batch, answer_field, answer_ttl_ms, pushes, inbox_needed, events_at = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11]), 12\n\n\nlocal known = redis.call('HGET', producer, answer_field)\nif known then\n  local stored = string.match(known, '^%d+')\n  if stored == batch then\n    redis.call('PEXPIRE', producer, answer_ttl_ms)\n    return string.sub(known, #stored + 2)\n  end\n  if tonumber(stored) > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end\nend\n\nif after >= 0 then\n  local ordered = tonumber(redis.call('HGET', producer, 'ordered') or 0)\n  if ordered < after then return redis.error_reply('EARLY batch ' .. batch) end\n  if ordered > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal function count_messages()\n  local put_off = redis.call('ZCARD', delayed) + redis.call('HLEN', lane_bodies)\n  if legacy_consumers then\n    local pending = redis.pcall('XPENDING', event_stream, group)\n    return redis.call('LLEN', message_queue) + (pending.err and 0 or pending[1]) + put_off\n  end\n  local no_messages = math.max(redis.call('XLEN', response_stream), redis.call('ZCARD', leftovers))\n  return redis.call('XLEN', event_stream) - no_messages + put_off\nend\n\n\n\nlocal LANE_IDS_TTL_MS = 60000\nlocal IDS_PER_NUMBER = 999\nlocal id_prefix, ids_made = nil, IDS_PER_NUMBER\n\nlocal function make_id()\n  if ids_made == IDS_PER_NUMBER then\n    local number = redis.call('INCRBY', lane_ids, 1)\n    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)\n    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0\n  end\n  ids_made = ids_made + 1\n  return id_prefix .. string.format('%03d', ids_made)\nend\n\nlocal SOON_MS = 2500\n\nlocal first_due = {}\n\nlocal function announce(due)\n  local earliest = first_due[delayed] or redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]\n  local is_first = not earliest or tonumber(due) < tonumber(earliest)\n  first_due[delayed] = is_first and due or earliest\n  if not is_first or tonumber(due) > now_ms() + SOON_MS then return nil end\n  return redis.call('XADD', event_stream, '*', 'due', due)\nend\n\nlocal function store_due(fields, due)\n  local id = announce(due) or make_id()\n  redis.call('ZADD', delayed, due, id)\n  fields[#fields + 1], fields[#fields + 2] = 'origin', id\n  redis.call('HSET', delayed_bodies, id, cjson.encode(fields))\n  return id\nend\n\nlocal function store_delayed(fields, delay)\n  local due = string.format('%.0f', now_ms() + 1 + delay)\n  fields[#fields + 1], fields[#fields + 2] = 'due', due\n  return store_due(fields, due)\nend\n\nlocal function first_event(record)\n  local first = redis.pcall('GET', record)\n  return type(first) == 'string' and first\nend\n\nlocal function remember_event(record, id, window)\n  redis.call('SET', record, id, 'PX', window)\nend\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal REPLIES_PER_ENTRY = 1000\n\nlocal function send_replies(record, count, request)\n  for from = 0, count - 1, REPLIES_PER_ENTRY do\n    local numbers, replies = {}, {}\n    for n = from, math.min(from + REPLIES_PER_ENTRY, count) - 1 do numbers[#numbers + 1] = n end\n    for _, rest in ipairs(redis.call('HMGET', record, unpack(numbers))) do\n      if rest then replies[#replies + 1] = '[\"' .. request .. '\",' .. rest end\n    end\n    push_replies(inbox, '[' .. table.concat(replies, ',') .. ']')\n  end\nend\n\nlocal function join_request(record, wait, request)\n  local first, waiters, count, ended =\n    unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'count', 'ended'))\n  if not first then return false, first == nil or waiters or count or ended end\n  if not ended then\n    local waiter = client .. ' ' .. request\n    redis.call('HSET', record, 'waiters', waiters == '' and waiter or waiters .. ' ' .. waiter)\n    if redis.call('PTTL', record) < wait then redis.call('PEXPIRE', record, wait) end\n  end\n  send_replies(record, tonumber(count) or 0, request)\n  return first\nend\n\nlocal function remember_request(record, id, fields, options)\n  local now, window = now_ms(), options.window\n  local ends = string.format('%.0f', now + 1 + window)\n  local timeout = tonumber(string.match(fields[2], '\"timeout\":%s*(%d+)')) or 0\n  local expires = string.format('%.0f', now + options.delay + timeout * 1000)\n  local ordering_key = fields[5] == 'ordering_key' and fields[6] or ''\n  redis.call('HSET', record, 'origin', id, 'ends', ends, 'expires', expires, 'ordering_key', ordering_key,\n    'waiters', client .. ' ' .. options.request)\n  redis.call('PEXPIRE', record, math.max(window, options.wait))\nend\n\n\nlocal LONGEST_S = 65535\n\nlocal function deletable_at(id, json)\n  local timeout = tonumber(string.match(json, '\"timeout\":%s*(%d+)')) or LONGEST_S\n  return string.match(id, '^%d+') + math.min(timeout, LONGEST_S) * 1000 + kept_longer\nend\n\nlocal function store_listed(fields)\n  fields[#fields + 1], fields[#fields + 2] = 'listed', '1'\n  local id = redis.call('XADD', event_stream, '*', unpack(fields))\n  redis.call('LPUSH', message_queue, id)\n  redis.call('ZADD', leftovers, string.format('%.0f', deletable_at(id, fields[2])), id)\n  return id\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal function add_to_lane(key, fields, origin)\n  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or head == origin then\n    local id = redis.call('XADD', event_stream, '*', unpack(fields))\n    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end\n    return id\n  end\n  if not origin then\n    origin = make_id()\n    fields[#fields + 1], fields[#fields + 2] = 'origin', origin\n  end\n  if first > last then count_blocked(1) end\n  last = last + 1\n  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))\n  set_lane(key, head, entry, first, last)\n  return origin\nend\n\nif legacy_consumers then\n  redis.call('LLEN', message_queue)\n  redis.call('ZCARD', leftovers)\nend\n\nlocal room = max_length == 0 and math.huge or max_length - count_messages()\n\nlocal function store(fields, delay, is_listed)\n  if room <= 0 then return 'FULL' end\n  room = room - 1\n  if delay > 0 then return store_delayed(fields, delay) end\n  if fields[5] == 'ordering_key' then return add_to_lane(fields[6], fields) end\n  if is_listed then return store_listed(fields) end\n  return redis.call('XADD', event_stream, '*', unpack(fields))\nend\n\nlocal function store_deduplicated_event(fields, options)\n  local record = KEYS[records_at + options.record - 1]\n  local id = first_event(record)\n  if id then return id end\n  id = store(fields, options.delay, legacy_consumers)\n  if id ~= 'FULL' then remember_event(record, id, options.window) end\n  return id\nend\n\nlocal function store_deduplicated_request(fields, options)\n  local record = KEYS[records_at + options.record - 1]\n  local id, is_taken = join_request(record, options.wait, options.request)\n  if id then return id end\n  id = store(fields, options.delay, false)\n  if id == 'FULL' then return id end\n  if is_taken then redis.call('DEL', record) end\n  remember_request(record, id, fields, options)\n  return id\nend\n\nlocal known_options = {}\n\nlocal function store_with_options(fields, text)\n  local options = known_options[text] or cjson.decode(text)\n  known_options[text] = options\n  if options.record == 0 then return store(fields, options.delay, legacy_consumers) end\n  if options.request == '' then return store_deduplicated_event(fields, options) end\n  return store_deduplicated_request(fields, options)\nend\n\nlocal ids, is_any_done, first_reason, i = {}, false, nil, events_at\nwhile i <= #ARGV do\n  local json, reply_to, options, length = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]\n  local last = i + 3 + length\n  local is_done, id = true, 'FULL'\n  if options ~= '' then\n    local fields = { 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 4, last) }\n    is_done, id = pcall(store_with_options, fields, options)\n  elseif legacy_consumers or ARGV[i + 4] == 'ordering_key' then\n    local fields = { 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 4, last) }\n    is_done, id = pcall(store, fields, 0, legacy_consumers)\n  elseif room > 0 then\n    id = redis.pcall('XADD', event_stream, '*', 'event', json, 'reply_to', reply_to, unpack(ARGV, i + 4, last))\n    is_done = type(id) == 'string'\n    room = room - 1\n  end\n  if is_done then\n    is_any_done = true\n  else\n    local reason = type(id) == 'table' and id.err or id\n    first_reason = first_reason or reason\n    if string.find(reason, 'non local key', 1, true) then return redis.error_reply(reason) end\n    id = 'REFUSED ' .. string.gsub(reason, ',', ';')\n  end\n  ids[#ids + 1] = id\n  i = last + 1\nend\nif not is_any_done then return redis.error_reply(first_reason) end\n\nif after >= 0 then redis.call('HSET', producer, 'ordered', batch) end\n\n\nif inbox_needed > 0 then\n  local left = redis.call('PTTL', inbox)\n  if left == -2 then\n    redis.call('XDEL', inbox, redis.call('XADD', inbox, '*', 'created', ''))\n  end\n  if left < inbox_needed then redis.call('PEXPIRE', inbox, inbox_needed + 30000) end\nend\nlocal answer = table.concat(ids, ',')\nredis.call('HSET', producer, answer_field, batch .. ' ' .. answer)\nredis.call('PEXPIRE', producer, answer_ttl_ms)\nreturn answer\n",
  },
  answerLegacy: {
    name: 'answerLegacy',
    sha1: '63eee628ed765dbec47f79f86d1b5ac0c7e96e6d',
    commands: 'llen lrem xack xadd xdel xlen',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, message_queue, response_stream = KEYS[1], KEYS[2], KEYS[3]\nlocal group, id, listed, request, response = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]\n\n\nlocal function add_response()\n  local body = redis.call('XADD', event_stream, '*', 'response', response)\n  redis.call('XADD', response_stream, '*', request, body)\n  return body\nend\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nredis.call('LLEN', message_queue)\nredis.call('XLEN', response_stream)\nif not end_attempt(event_stream, group, id) then return 0 end\nif listed ~= '' then redis.call('LREM', message_queue, -1, listed) end\nif response ~= '' then add_response() end\nreturn 1\n",
  },
  arbitrate: {
    name: 'arbitrate',
    sha1: 'ee131912fcab6c42bbdabc764e962d3cf94d67c6',
    commands: 'llen lrange lrem xack xclaim xdel xpending zadd zcard zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, message_queue, leftovers = KEYS[1], KEYS[2], KEYS[3]\nlocal group, consumer, entries_at = ARGV[1], ARGV[2], 3\n\nlocal WON, HAS_ANSWERED = 2, 3\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nredis.call('ZCARD', leftovers)\n\nlocal NEAR = 1000\nlocal near\nlocal left = redis.call('LLEN', message_queue)\nif left > NEAR then\n  near = {}\n  for _, id in ipairs(redis.call('LRANGE', message_queue, -NEAR, -1)) do near[id] = true end\nend\nlocal function take(id)\n  if left == 0 or (near and not near[id]) or redis.call('LREM', message_queue, -1, id) == 0 then return false end\n  left = left - 1\n  return true\nend\n\nlocal found = {}\nlocal first, last = entries_at, #ARGV - 1\nlocal count = (last - first) / 2 + 1\nfor _, pending in ipairs(redis.call('XPENDING', event_stream, group, ARGV[first], ARGV[last], count, consumer)) do\n  found[pending[1]] = pending[4]\nend\n\nlocal function deliveries_of(id)\n  if found[id] then return found[id] end\n  return (redis.call('XPENDING', event_stream, group, id, id, 1, consumer)[1] or {})[4]\nend\n\nlocal results, won = {}, {}\nfor i = entries_at, #ARGV, 2 do\n  local id, deletable = ARGV[i], ARGV[i + 1]\n  local deliveries = deliveries_of(id)\n  local result = 0\n  if not deliveries then\n    result = -1\n  elseif deliveries >= WON then\n    result = 1\n  elseif take(id) then\n    won[#won + 1] = id\n    result = 1\n  elseif deletable ~= '' then\n    redis.call('ZADD', leftovers, deletable, id)\n    acknowledge_attempt(event_stream, group, id)\n  end\n  results[#results + 1] = result\nend\nif #won > 0 then\n  local claim = { unpack(won) }\n  claim[#claim + 1], claim[#claim + 2], claim[#claim + 3] = 'RETRYCOUNT', WON, 'JUSTID'\n  redis.call('XCLAIM', event_stream, group, consumer, 0, unpack(claim))\n  redis.call('ZREM', leftovers, unpack(won))\nend\nreturn results\n",
  },
  cleanHistory: {
    name: 'cleanHistory',
    sha1: 'd37ac08c614d509dd0fbc9f1b9150703a0630113',
    commands: 'del hdel hget hincrby hmget hset time xadd xdel xinfo|groups xpending xrange zadd',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, history, leftovers, lanes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\nlocal group, kept_longer, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\n\n\nlocal LONGEST_S = 65535\n\nlocal function deletable_at(id, json)\n  local timeout = tonumber(string.match(json, '\"timeout\":%s*(%d+)')) or LONGEST_S\n  return string.match(id, '^%d+') + math.min(timeout, LONGEST_S) * 1000 + kept_longer\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal MAX_BYTES = 1024 * 1024\n\nlocal function read_page(stream, from, last, count)\n  local entries, bytes = {}, 0\n  while #entries < count and bytes < MAX_BYTES do\n    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]\n    if not entry then return entries, true end\n    entries[#entries + 1] = entry\n    bytes = bytes + bytes_of(entry[2])\n    from = id_after(entry[1])\n  end\n  return entries, false\nend\n\nlocal now = now_ms()\nlocal from, start, until_id = unpack(redis.call('HMGET', history, 'from', 'start', 'until'))\nif not until_id then return 0 end\n\nif not from then\n  local info = group_info(event_stream, group)\n  if info then\n    local next_id = id_after(info['last-delivered-id'])\n    local left = redis.call('XRANGE', event_stream, next_id, until_id, 'COUNT', 1)\n    local pending = redis.call('XPENDING', event_stream, group, '-', until_id, 1)\n    if #left == 0 and #pending == 0 then redis.call('DEL', history) end\n  end\n  return 0\nend\n\nlocal entries, is_end = read_page(event_stream, from, start, limit)\nfor _, entry in ipairs(entries) do\n  local id, fields = entry[1], entry[2]\n  local event = get_field(fields, 'event')\n  if get_field(fields, 'due') and not event then\n    redis.call('XDEL', event_stream, id)\n  elseif #fields > 2 and #fields < MAX_FIELDS and not get_field(fields, 'listed') then\n    redis.call('XDEL', event_stream, id)\n    if not get_field(fields, 'origin') then set_field(fields, 'origin', id) end\n    local again = redis.call('XADD', event_stream, '*', unpack(fields))\n    local key = get_field(fields, 'ordering_key')\n    if key then move_head(key, get_field(fields, 'origin'), again) end\n  else\n    local deletable = deletable_at(id, event or get_field(fields, 'response') or '')\n    if deletable < now then redis.call('XDEL', event_stream, id)\n    else redis.call('ZADD', leftovers, string.format('%.0f', deletable), id) end\n  end\nend\nif is_end then redis.call('HDEL', history, 'from', 'start')\nelse redis.call('HSET', history, 'from', id_after(entries[#entries][1])) end\nreturn 1\n",
  },
  cleanLeftovers: {
    name: 'cleanLeftovers',
    sha1: '12fb77a0a15fe428a463da5d1861ab2c7a0fa61b',
    commands: 'exists llen lrange time xdel xpending xrange zadd zrangebyscore zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, response_stream, message_queue, leftovers = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\nlocal group, limit = ARGV[1], tonumber(ARGV[2])\n\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal MAX_BYTES = 1024 * 1024\n\nlocal function read_page(stream, from, last, count)\n  local entries, bytes = {}, 0\n  while #entries < count and bytes < MAX_BYTES do\n    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]\n    if not entry then return entries, true end\n    entries[#entries + 1] = entry\n    bytes = bytes + bytes_of(entry[2])\n    from = id_after(entry[1])\n  end\n  return entries, false\nend\n\nlocal AGAIN_MS = 10000\nlocal LONG = 20000\nlocal PAGE = 1000\nlocal NEAR = 100\nlocal NEAR_AT_ONCE = 10\n\nlocal now = now_ms()\nlocal waiting\nlocal function is_waiting(id)\n  if not waiting then\n    waiting = {}\n    local length = redis.call('LLEN', message_queue)\n    if length > LONG then\n      setmetatable(waiting, { __index = function() return true end })\n      length = 0\n    end\n    for from = 0, length - 1, PAGE do\n      local page = redis.call('LRANGE', message_queue, from, from + PAGE - 1)\n      for _, element in ipairs(page) do waiting[element] = true end\n    end\n  end\n  return waiting[id]\nend\n\nlocal function delete_place(id)\n  local from = string.match(id, '^%d+') .. '-0'\n  for _ = 1, NEAR / NEAR_AT_ONCE do\n    local places = redis.call('XRANGE', response_stream, from, '+', 'COUNT', NEAR_AT_ONCE)\n    for _, place in ipairs(places) do\n      if place[2][2] == id then\n        redis.call('XDEL', response_stream, place[1])\n        return\n      end\n    end\n    if #places < NEAR_AT_ONCE then return end\n    from = id_after(places[#places][1])\n  end\nend\n\nlocal has_responses = redis.call('EXISTS', response_stream) == 1\nlocal bytes = 0\nlocal function delete_leftover(id)\n  local entry = has_responses and parts_of_id(id) and redis.pcall('XRANGE', event_stream, id, id)[1]\n  if entry then\n    bytes = bytes + bytes_of(entry[2])\n    if entry[2][1] == 'response' then delete_place(id) end\n  end\n  redis.pcall('XDEL', event_stream, id)\nend\n\nlocal due = redis.call('ZRANGEBYSCORE', leftovers, '-inf', now, 'LIMIT', 0, limit)\nlocal gone, again = {}, {}\nfor _, id in ipairs(due) do\n  if bytes >= MAX_BYTES then break end\n  if is_pending(event_stream, group, id) or is_waiting(id) then\n    again[#again + 1], again[#again + 2] = string.format('%.0f', now + AGAIN_MS), id\n  else\n    delete_leftover(id)\n    gone[#gone + 1] = id\n  end\nend\nif #gone > 0 then redis.call('ZREM', leftovers, unpack(gone)) end\nif #again > 0 then redis.call('ZADD', leftovers, unpack(again)) end\nreturn #due\n",
  },
  cleanList: {
    name: 'cleanList',
    sha1: '3e706c322b2170c7c5c16c5dc830b6d30eade121',
    commands: 'lrange lrem rpush xadd xdel xinfo|groups xpending xrange zadd zrem zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, message_queue, leftovers = KEYS[1], KEYS[2], KEYS[3]\nlocal group, skip, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal MAX_BYTES = 1024 * 1024\n\nlocal function read_page(stream, from, last, count)\n  local entries, bytes = {}, 0\n  while #entries < count and bytes < MAX_BYTES do\n    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]\n    if not entry then return entries, true end\n    entries[#entries + 1] = entry\n    bytes = bytes + bytes_of(entry[2])\n    from = id_after(entry[1])\n  end\n  return entries, false\nend\n\nlocal info = group_info(event_stream, group)\nif not info then return { 0, '' } end\nlocal delivered = info['last-delivered-id']\n\nlocal function is_found(id)\n  return is_id_before(delivered, id) or #redis.call('XPENDING', event_stream, group, id, id, 1) > 0\nend\n\nlocal page = redis.call('LRANGE', message_queue, -skip - limit, -skip - 1)\nlocal count, kept, bytes = 0, 0, 0\nfor _, id in ipairs(page) do\n  if bytes >= MAX_BYTES then return { count, string.format('%d', skip) } end\n  if not parts_of_id(id) then\n    redis.call('LREM', message_queue, -1, id)\n    count = count + 1\n  elseif is_found(id) then\n    kept = kept + 1\n  else\n    local entry = redis.call('XRANGE', event_stream, id, id)[1]\n    redis.call('LREM', message_queue, -1, id)\n    if entry and #entry[2] < MAX_FIELDS then\n      local fields = entry[2]\n      bytes = bytes + bytes_of(fields)\n      redis.call('XDEL', event_stream, id)\n      set_field(fields, 'origin', id)\n      set_field(fields, 'listed', '1')\n      local again = redis.call('XADD', event_stream, '*', unpack(fields))\n      redis.call('RPUSH', message_queue, again)\n      kept = kept + 1\n      local deletable = redis.call('ZSCORE', leftovers, id)\n      if deletable then\n        redis.call('ZREM', leftovers, id)\n        redis.call('ZADD', leftovers, deletable, again)\n      end\n    end\n    count = count + 1\n  end\nend\nreturn { count, #page < limit and '' or string.format('%d', skip + kept) }\n",
  },
  cleanResponses: {
    name: 'cleanResponses',
    sha1: '9db73fc26aece19c8e11b6ccb1355a0c8d00b851',
    commands: 'time xack xdel xrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, response_stream = KEYS[1], KEYS[2]\nlocal group, kept_longer, from, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])\n\n\nlocal LONGEST_S = 65535\n\nlocal function deletable_at(id, json)\n  local timeout = tonumber(string.match(json, '\"timeout\":%s*(%d+)')) or LONGEST_S\n  return string.match(id, '^%d+') + math.min(timeout, LONGEST_S) * 1000 + kept_longer\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal MAX_BYTES = 1024 * 1024\n\nlocal function read_page(stream, from, last, count)\n  local entries, bytes = {}, 0\n  while #entries < count and bytes < MAX_BYTES do\n    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]\n    if not entry then return entries, true end\n    entries[#entries + 1] = entry\n    bytes = bytes + bytes_of(entry[2])\n    from = id_after(entry[1])\n  end\n  return entries, false\nend\n\nlocal SHORTEST_MS = 1000\n\nlocal now = now_ms()\nlocal deleted, size, count = 0, 0, 0\nfor _, entry in ipairs(redis.call('XRANGE', response_stream, from, '+', 'COUNT', limit)) do\n  local id, body_id = entry[1], entry[2][2]\n  if now - string.match(id, '^%d+') - kept_longer < SHORTEST_MS then return { deleted, '' } end\n  local is_id = string.match(body_id, '^%d+%-%d+$')\n  local body = is_id and redis.call('XRANGE', event_stream, body_id, body_id)[1]\n  local json = body and body[2][2] or ''\n  size = size + #json\n  if (is_id and not body) or deletable_at(id, json) <= now then\n    redis.call('XDEL', response_stream, id)\n    if body and body[2][1] == 'response' then\n      redis.call('XDEL', event_stream, body_id)\n      redis.pcall('XACK', event_stream, group, body_id)\n    end\n    deleted = deleted + 1\n  end\n  count = count + 1\n  if count == limit or size > MAX_BYTES then return { deleted, id_after(id) } end\nend\nreturn { deleted, '' }\n",
  },
  skip: {
    name: 'skip',
    sha1: '46515b77bd549b6c1c883be1e579594ec7ac3588',
    commands: 'xack xdel zadd',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, leftovers = KEYS[1], KEYS[2]\nlocal group, id, deletable = ARGV[1], ARGV[2], tonumber(ARGV[3])\n\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nredis.pcall('ZADD', leftovers, deletable, id)\nreturn acknowledge_attempt(event_stream, group, id) and 1 or 0\n",
  },
  endMove: {
    name: 'endMove',
    sha1: '2990223be38a462c45b06cf409e457d172bf099a',
    commands: 'pexpire xdel xlen',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal moving = KEYS[1]\nlocal ids_at = 1\n\n\nlocal EMPTY_TTL_MS = 3600000\n\nlocal function expire_when_empty()\n  if redis.call('XLEN', moving) == 0 then redis.call('PEXPIRE', moving, EMPTY_TTL_MS) end\nend\n\nlocal count = redis.call('XDEL', moving, unpack(ARGV, ids_at))\nexpire_when_empty()\nreturn count\n",
  },
  readMoving: {
    name: 'readMoving',
    sha1: 'cd675a1a0f44d823978e5cec91a147a947fabee2',
    commands: 'xrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal moving = KEYS[1]\nlocal to, seen, limit, budget = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal answer, bytes = { '' }, 0\nlocal next_id = seen == '' and '-' or id_after(seen)\nfor _ = 1, limit do\n  local entry = redis.call('XRANGE', moving, next_id, '+', 'COUNT', 1)[1]\n  if not entry then\n    answer[1] = ''\n    return answer\n  end\n  answer[1], next_id = entry[1], id_after(entry[1])\n  if entry[2][2] == to then\n    answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2]\n    bytes = bytes + bytes_of(entry[2])\n    if bytes >= budget then break end\n  end\nend\nreturn answer\n",
  },
  startMove: {
    name: 'startMove',
    sha1: 'b929962f336d1e64914949d4258e8adbcce5a7bc',
    commands: 'hdel hget hincrby hlen hmget hset lrem persist pexpire time xadd xdel xinfo|groups xlen xpending xrange xrevrange zrem zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, dead_letters, dead_letter_bodies, message_queue, lanes, lane_bodies, cancelled, held, moving = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]\nlocal group, to, floor, budget, messages_at = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), 5\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\n\nlocal STARTS_ANEW = {\n  origin = true, attempt = true, abandoned_attempts = true, deduplication = true, listed = true, errors = true,\n  due = true,\n}\n\nlocal function revived(letter)\n  local old = letter.fields\n  if not are_fields(old) then return nil end\n  local fields, is_ours = {}, false\n  for i = 1, #old, 2 do\n    local name, value = old[i], old[i + 1]\n    if name == 'reply_to' then\n      value, is_ours = '', true\n    end\n    if not STARTS_ANEW[name] then fields[#fields + 1], fields[#fields + 2] = name, value end\n  end\n  if not is_ours then fields[#fields + 1], fields[#fields + 2] = 'reply_to', '' end\n  return fields\nend\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\nlocal function delete_untaken(stream, group, id)\n  if is_pending(stream, group, id) then return false end\n  local entry = redis.call('XRANGE', stream, id, id)[1]\n  if not entry then return false end\n  redis.call('XDEL', stream, id)\n  return entry[2][1] ~= 'due'\nend\n\nlocal EMPTY_TTL_MS = 3600000\n\nlocal function expire_when_empty()\n  if redis.call('XLEN', moving) == 0 then redis.call('PEXPIRE', moving, EMPTY_TTL_MS) end\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal function last_taken(stream, group)\n  local info = group_info(stream, group)\n  return info and info['last-delivered-id'] or '0-0'\nend\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal MAX_FREED_KEYS = 100\n\nlocal function hold(key, origin)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head and head ~= origin then return end\n  set_lane(key, origin, DEAD, first or 1, last or 0)\n  redis.call('HSET', held, origin, key)\nend\n\nlocal function free_keys(origins, from, to)\n  local keys, freed = redis.call('HMGET', held, unpack(origins, from, to)), 0\n  for i = from, to do\n    local key = keys[i - from + 1]\n    if key then\n      redis.call('HDEL', held, origins[i])\n      if release(key, origins[i]) then freed = freed + 1 end\n      if freed == MAX_FREED_KEYS then return i - from + 1, freed end\n    end\n  end\n  return to - from + 1, freed\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal bytes, stayed = 0, {}\nlocal taken = last_taken(event_stream, group)\n\nlocal function next_id()\n  if is_id_before(floor, string.format('%.0f-0', now_ms())) then return '*' end\n  local last = redis.call('XREVRANGE', moving, '+', '-', 'COUNT', 1)[1]\n  return id_after(last and is_id_before(floor, last[1]) and last[1] or floor)\nend\n\nlocal function keep(fields, due)\n  redis.call('XADD', moving, next_id(), 'to', to, 'due_at', due, unpack(fields))\n  bytes = bytes + bytes_of(fields)\nend\n\nlocal function fields_of_moved(fields, origin)\n  local due = get_field(fields, 'due') or string.match(origin, '^%d+')\n  local moved = without_field(without_field(without_field(fields, 'origin'), 'listed'), 'due')\n  moved[#moved + 1], moved[#moved + 2] = 'due', due\n  return moved\nend\n\nlocal function reason_to_stay(fields)\n  if not are_fields(fields) or not get_field(fields, 'event') then return 'unreadable' end\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to then return 'legacy' end\n  if reply_to ~= '' then return 'request' end\n  return nil\nend\n\nlocal function start_entry(id, fields)\n  if is_pending(event_stream, group, id) then return 'running' end\n  if not is_id_before(taken, id) then return 'legacy' end\n  local reason = reason_to_stay(fields)\n  if reason then return reason end\n  if get_field(fields, 'listed') and redis.call('LREM', message_queue, -1, id) == 0 then return 'legacy' end\n  local origin, key = get_field(fields, 'origin') or id, get_field(fields, 'ordering_key')\n  keep(fields_of_moved(fields, origin), '')\n  redis.call('XDEL', event_stream, id)\n  if key then release(key, origin) end\n  return nil\nend\n\nlocal function start_delayed(id, due)\n  local is_json, fields = pcall(cjson.decode, redis.call('HGET', delayed_bodies, id))\n  local reason = is_json and reason_to_stay(fields) or (not is_json and 'unreadable') or nil\n  if reason then return reason end\n  local key = get_field(fields, 'ordering_key')\n  if key and parse_lane(redis.call('HGET', lanes, key)) == id then return 'ordered' end\n  keep(fields_of_moved(fields, id), due)\n  redis.call('ZREM', delayed, id)\n  redis.call('HDEL', delayed_bodies, id)\n  delete_untaken(event_stream, group, id)\n  return nil\nend\n\nlocal function start_letter(id, body)\n  local is_json, letter = pcall(cjson.decode, body)\n  local fields = is_json and type(letter) == 'table' and letter.reason ~= 'malformed' and revived(letter)\n  if not fields then return 'unreadable' end\n  keep(fields, '')\n  redis.call('HDEL', dead_letter_bodies, id)\n  redis.call('ZREM', dead_letters, id)\n  local key = redis.call('HGET', held, id)\n  if key then\n    redis.call('HDEL', held, id)\n    release(key, id)\n  end\n  return nil\nend\n\nlocal function start_ordered(origin, key)\n  local head, entry = parse_lane(redis.call('HGET', lanes, key))\n  if not head then return 'gone' end\n  if head ~= origin or entry == DELAYED or entry == DEAD then return 'ordered' end\n  local found = redis.call('XRANGE', event_stream, entry, entry)[1]\n  if not found then return 'gone' end\n  return start_entry(entry, found[2])\nend\n\nlocal function start(id, key)\n  if key ~= '' then return start_ordered(id, key) end\n  local due = redis.call('ZSCORE', delayed, id)\n  if due then return start_delayed(id, due) end\n  local letter = redis.call('HGET', dead_letter_bodies, id)\n  if letter then return start_letter(id, letter) end\n  local entry = redis.call('XRANGE', event_stream, id, id)[1]\n  if not entry or entry[2][1] == 'due' then return 'gone' end\n  return start_entry(id, entry[2])\nend\n\nredis.call('XLEN', moving)\nredis.call('HLEN', held)\nredis.call('PERSIST', moving)\nlocal looked = 0\nfor i = messages_at, #ARGV, 2 do\n  if bytes >= budget then break end\n  local reason = start(ARGV[i], ARGV[i + 1])\n  if reason then stayed[#stayed + 1], stayed[#stayed + 2] = ARGV[i], reason end\n  looked = looked + 1\nend\nexpire_when_empty()\nreturn { looked, stayed }\n",
  },
  storeMoved: {
    name: 'storeMoved',
    sha1: '8fcf5578a02c898664d4589cf1847193a5feccb1',
    commands: 'get hdel hget hincrby hlen hset incrby pexpire time xadd xlen zadd zcard zrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, lanes, lane_bodies, lane_ids, arrived = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal from, messages_at = ARGV[1], 2\n\n\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal LANE_IDS_TTL_MS = 60000\nlocal IDS_PER_NUMBER = 999\nlocal id_prefix, ids_made = nil, IDS_PER_NUMBER\n\nlocal function make_id()\n  if ids_made == IDS_PER_NUMBER then\n    local number = redis.call('INCRBY', lane_ids, 1)\n    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)\n    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0\n  end\n  ids_made = ids_made + 1\n  return id_prefix .. string.format('%03d', ids_made)\nend\n\nlocal SOON_MS = 2500\n\nlocal first_due = {}\n\nlocal function announce(due)\n  local earliest = first_due[delayed] or redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]\n  local is_first = not earliest or tonumber(due) < tonumber(earliest)\n  first_due[delayed] = is_first and due or earliest\n  if not is_first or tonumber(due) > now_ms() + SOON_MS then return nil end\n  return redis.call('XADD', event_stream, '*', 'due', due)\nend\n\nlocal function store_due(fields, due)\n  local id = announce(due) or make_id()\n  redis.call('ZADD', delayed, due, id)\n  fields[#fields + 1], fields[#fields + 2] = 'origin', id\n  redis.call('HSET', delayed_bodies, id, cjson.encode(fields))\n  return id\nend\n\nlocal function store_delayed(fields, delay)\n  local due = string.format('%.0f', now_ms() + 1 + delay)\n  fields[#fields + 1], fields[#fields + 2] = 'due', due\n  return store_due(fields, due)\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal function add_to_lane(key, fields, origin)\n  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or head == origin then\n    local id = redis.call('XADD', event_stream, '*', unpack(fields))\n    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end\n    return id\n  end\n  if not origin then\n    origin = make_id()\n    fields[#fields + 1], fields[#fields + 2] = 'origin', origin\n  end\n  if first > last then count_blocked(1) end\n  last = last + 1\n  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))\n  set_lane(key, head, entry, first, last)\n  return origin\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nredis.call('XLEN', event_stream)\nredis.call('ZCARD', delayed)\nredis.call('HLEN', delayed_bodies)\nredis.call('HLEN', lanes)\nredis.call('HLEN', lane_bodies)\nredis.call('GET', lane_ids)\n\nlocal last = redis.call('HGET', arrived, from) or '0-0'\nredis.call('HSET', arrived, from, last)\n\nlocal function store(fields, due_at)\n  if due_at ~= '' and tonumber(due_at) > now_ms() then return store_due(fields, due_at) end\n  local key = get_field(fields, 'ordering_key')\n  if key then return add_to_lane(key, fields) end\n  return redis.call('XADD', event_stream, '*', unpack(fields))\nend\n\nlocal i = messages_at\nwhile i <= #ARGV do\n  local id, due_at, length = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n  if is_id_before(last, id) then\n    store({ unpack(ARGV, i + 3, i + 2 + length) }, due_at)\n    redis.call('HSET', arrived, from, id)\n    last = id\n  end\n  i = i + 3 + length\nend\nreturn last\n",
  },
  registerPartitions: {
    name: 'registerPartitions',
    sha1: '1b1e5e47e26d54acec08c48d20f7f1c679404e9a',
    commands: 'get hlen set',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal partitions, lanes_at = KEYS[1], 2\nlocal count, is_known = tonumber(ARGV[1]), ARGV[2] == '1'\n\nlocal registered = redis.call('GET', partitions)\nif registered then return tonumber(registered) or registered end\nif count == 0 then return 0 end\nif not is_known then\n  for i = lanes_at, #KEYS do\n    if redis.call('HLEN', KEYS[i]) > 0 then return -1 end\n  end\nend\nredis.call('SET', partitions, count)\nreturn count\n",
  },
  countRates: {
    name: 'countRates',
    sha1: '8a520c93500819a3838c220957a41bc5662e386b',
    commands: 'exists hget hset pexpire time',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, rates = KEYS[1], KEYS[2]\nlocal stored, handled, retried, dead, expired, total, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\nlocal KEPT_MINUTES = 2880\n\nlocal function minute_of(ms)\n  return math.floor(ms / 60000)\nend\n\nlocal function field_of(minute)\n  return string.format('%.0f', minute % KEPT_MINUTES)\nend\n\nlocal function parse_minute(text)\n  local numbers = {}\n  for digits in string.gmatch(text or '', '%d+') do numbers[#numbers + 1] = tonumber(digits) end\n  if #numbers ~= 8 then return nil end\n  return numbers[1], { unpack(numbers, 2, 7) }, numbers[8]\nend\n\nif redis.call('EXISTS', event_stream) == 0 then return end\nlocal minute = minute_of(now_ms())\nlocal added = { stored, handled, retried, dead, expired, total }\nlocal known, sums, before = parse_minute(redis.call('HGET', rates, field_of(minute)))\nif known == minute then\n  for i, sum in ipairs(sums) do added[i] = added[i] + sum end\n  longest = math.max(longest, before)\nend\nadded[#added + 1] = longest\nlocal texts = { string.format('%.0f', minute) }\nfor i, number in ipairs(added) do texts[i + 1] = string.format('%.0f', number) end\nredis.call('HSET', rates, field_of(minute), table.concat(texts, ' '))\nredis.call('PEXPIRE', rates, KEPT_MINUTES * 60000)\n",
  },
  readRates: {
    name: 'readRates',
    sha1: '66f0489153140d6155c32d5a92075299ad29ac16',
    commands: 'hmget time',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal rates = KEYS[1]\nlocal first, last, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\nlocal KEPT_MINUTES = 2880\n\nlocal function minute_of(ms)\n  return math.floor(ms / 60000)\nend\n\nlocal function field_of(minute)\n  return string.format('%.0f', minute % KEPT_MINUTES)\nend\n\nlocal function parse_minute(text)\n  local numbers = {}\n  for digits in string.gmatch(text or '', '%d+') do numbers[#numbers + 1] = tonumber(digits) end\n  if #numbers ~= 8 then return nil end\n  return numbers[1], { unpack(numbers, 2, 7) }, numbers[8]\nend\n\nif last == 0 then last = minute_of(now_ms()) end\nif first == 0 then first = last - count + 1 end\nlocal fields = {}\nfor minute = first, math.min(last, first + count - 1) do fields[#fields + 1] = field_of(minute) end\nif #fields == 0 then return { first, last } end\nlocal texts = redis.call('HMGET', rates, unpack(fields))\nfor i, text in ipairs(texts) do\n  if not text or parse_minute(text) ~= first + i - 1 then texts[i] = '' end\nend\nreturn { first, last, unpack(texts) }\n",
  },
  healLanes: {
    name: 'healLanes',
    sha1: '157be84166571eebf929a7d6c22996d00569abe8',
    commands: 'hdel hget hincrby hlen hset time xack xadd xdel xpending xrange zrem zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, lanes, lane_bodies, cancelled, delayed, dead_letters, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal group, suspects_at = ARGV[1], 2\n\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal USUAL_LEASE_MS = 60000\n\nlocal function is_running(entry)\n  local pending = redis.pcall('XPENDING', event_stream, group, entry, entry, 1)\n  if pending.err or #pending == 0 then return false end\n  local lease = tonumber(string.match(pending[1][2], '%.(%d+)$')) or USUAL_LEASE_MS\n  if pending[1][3] < lease then return true end\n  acknowledge_attempt(event_stream, group, entry)\n  return false\nend\n\nlocal function have_same_head(text, other)\n  local head, entry = parse_lane(text)\n  if not head then return text == other end\n  local other_head, other_entry = parse_lane(other)\n  return head == other_head and entry == other_entry\nend\n\nlocal healed = 0\nfor i = suspects_at, #ARGV, 2 do\n  local key = ARGV[i]\n  local text = key ~= '' and redis.call('HGET', lanes, key)\n  if text and have_same_head(text, ARGV[i + 1]) then\n    local head, entry = parse_lane(text)\n    local is_there\n    if not head then\n      redis.call('HDEL', lanes, key)\n      healed = healed + 1\n    elseif entry == DELAYED then\n      is_there = redis.call('ZSCORE', delayed, head)\n    elseif entry == DEAD then\n      is_there = redis.call('ZSCORE', dead_letters, head)\n      if not is_there then redis.call('HDEL', held, head) end\n    else\n      is_there = string.match(entry, '^%d+%-%d+$')\n        and (#redis.call('XRANGE', event_stream, entry, entry) > 0 or is_running(entry))\n    end\n    if head and not is_there and release(key, head) then healed = healed + 1 end\n  end\nend\nreturn healed\n",
  },
  joinGroup: {
    name: 'joinGroup',
    sha1: 'dca4e4e92886c91ed316cf4cf3def517cb0fb82e',
    commands: 'hget hlen hset llen lrange xgroup|create xinfo|groups xlen xrange xrevrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, message_queue, history = KEYS[1], KEYS[2], KEYS[3]\nlocal group = ARGV[1]\n\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal MAX_BYTES = 1024 * 1024\n\nlocal function read_page(stream, from, last, count)\n  local entries, bytes = {}, 0\n  while #entries < count and bytes < MAX_BYTES do\n    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]\n    if not entry then return entries, true end\n    entries[#entries + 1] = entry\n    bytes = bytes + bytes_of(entry[2])\n    from = id_after(entry[1])\n  end\n  return entries, false\nend\n\nlocal PAGE = 1000\n\nif group_info(event_stream, group) then\n  local until_id = redis.pcall('HGET', history, 'until')\n  return type(until_id) == 'string' and until_id or ''\nend\n\nlocal function is_legacy(fields) return #fields == 2 and fields[1] ~= 'due' end\n\nlocal function lowest_time()\n  local lowest = math.huge\n  for from = 0, redis.call('LLEN', message_queue) - 1, PAGE do\n    for _, id in ipairs(redis.call('LRANGE', message_queue, from, from + PAGE - 1)) do\n      lowest = math.min(lowest, parts_of_id(id) or math.huge)\n    end\n  end\n  return lowest\nend\n\nredis.call('XLEN', event_stream)\nredis.call('HLEN', history)\nlocal last = redis.call('XREVRANGE', event_stream, '+', '-', 'COUNT', 1)[1]\nlocal start, until_id = '0', ''\nlocal first, is_whole = read_page(event_stream, '-', '+', PAGE)\nlocal is_used = not is_whole\nlocal waiting = {}\nfor _, id in ipairs(redis.call('LRANGE', message_queue, -PAGE, -1)) do waiting[id] = true end\nfor _, entry in ipairs(first) do\n  is_used = is_used or (entry[2][1] == 'event' and is_legacy(entry[2]) and not waiting[entry[1]])\nend\nif is_used then\n  until_id = last[1]\n  if is_legacy(first[1][2]) then\n    local lowest = lowest_time()\n    start = until_id\n    if lowest == 0 then start = '0'\n    elseif lowest < math.huge then start = string.format('%.0f-18446744073709551615', lowest - 1) end\n    redis.call('HSET', history, 'from', '-', 'start', start)\n  end\n  redis.call('HSET', history, 'until', until_id)\nend\nredis.call('XGROUP', 'CREATE', event_stream, group, start, 'MKSTREAM')\nreturn until_id\n",
  },
  leaveGroup: {
    name: 'leaveGroup',
    sha1: '0b263ab387bbe6a3e7d66eb73fb15b3d06631ee1',
    commands: 'xgroup|delconsumer xpending',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream = KEYS[1]\nlocal group, consumer = ARGV[1], ARGV[2]\nlocal pending = redis.pcall('XPENDING', event_stream, group, '-', '+', 1, consumer)\nif pending.err then return 0 end\nif #pending > 0 then return #pending end\nredis.call('XGROUP', 'DELCONSUMER', event_stream, group, consumer)\nreturn 0\n",
  },
  rebuildLanes: {
    name: 'rebuildLanes',
    sha1: 'b9e62258745b569e689500ea111a88477518a181',
    commands: 'hdel hget hincrby hlen hscan hset',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal lanes, lane_bodies = KEYS[1], KEYS[2]\nlocal cursor, count = ARGV[1], tonumber(ARGV[2])\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal NO_HEAD = '0-0'\n\nlocal next_cursor, fields = unpack(redis.call('HSCAN', lane_bodies, cursor, 'COUNT', count))\nlocal found = 0\nfor i = 1, #fields, 2 do\n  local digits, key = string.match(fields[i], '^(%d+) (.+)$')\n  local number = tonumber(digits)\n  if number then\n    local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n    if not head then head, entry, first, last = NO_HEAD, NO_HEAD, 1, 0 end\n    if number < first or number > last then\n      found = found + 1\n      if first > last then\n        count_blocked(1)\n        first, last = number, number\n      end\n      set_lane(key, head, entry, math.min(first, number), math.max(last, number))\n    end\n  end\nend\nif #fields == 0 and redis.call('HLEN', lane_bodies) == 0 then redis.call('HDEL', lanes, '') end\nreturn { next_cursor, found }\n",
  },
  renew: {
    name: 'renew',
    sha1: '45a456e4e0ac2a75c5c55df16b82fd6051f1f46d',
    commands: 'xclaim xpending',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream = KEYS[1]\nlocal group, consumer, ids_at = ARGV[1], ARGV[2], 3\nlocal kept, lost = {}, {}\nfor i = ids_at, #ARGV do\n  local id = ARGV[i]\n  local is_mine = #redis.call('XPENDING', event_stream, group, id, id, 1, consumer) > 0\n  local list = is_mine and kept or lost\n  list[#list + 1] = id\nend\nif #kept > 0 then\n  kept[#kept + 1] = 'JUSTID'\n  redis.call('XCLAIM', event_stream, group, consumer, 0, unpack(kept))\nend\nreturn lost\n",
  },
  requeue: {
    name: 'requeue',
    sha1: '7ee5f915e654c13e5d8021211ec41b46d4176a10',
    commands: 'hdel hget hincrby hset lrem rpush time xack xadd xdel xpending xrange zadd',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, message_queue, leftovers, lanes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\nlocal group, attempts, consumer, min_idle, legacy_limit, kept_longer, error_name, error_message, ids_at = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], 9\n\nlocal MAX_ERRORS, MAX_ERRORS_BYTES = 5, 10240\n\nlocal function with_attempt_error(before, name, message, attempt, at)\n  local is_json, errors = pcall(cjson.decode, before and #before <= MAX_ERRORS_BYTES and before or '[]')\n  if not is_json or type(errors) ~= 'table' then errors = {} end\n  local kept = {}\n  for i = math.max(#errors - MAX_ERRORS + 2, 1), #errors do kept[#kept + 1] = errors[i] end\n  local latest = { attempt = attempt, at = at, name = name, message = message }\n  kept[#kept + 1] = latest\n  local can_be_written, json = pcall(cjson.encode, kept)\n  return can_be_written and json or cjson.encode({ latest })\nend\n\nlocal LONGEST_S = 65535\n\nlocal function deletable_at(id, json)\n  local timeout = tonumber(string.match(json, '\"timeout\":%s*(%d+)')) or LONGEST_S\n  return string.match(id, '^%d+') + math.min(timeout, LONGEST_S) * 1000 + kept_longer\nend\nlocal WON, HAS_ANSWERED = 2, 3\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal MAX_BYTES = 1024 * 1024\n\nlocal function read_page(stream, from, last, count)\n  local entries, bytes = {}, 0\n  while #entries < count and bytes < MAX_BYTES do\n    local entry = redis.call('XRANGE', stream, from, last, 'COUNT', 1)[1]\n    if not entry then return entries, true end\n    entries[#entries + 1] = entry\n    bytes = bytes + bytes_of(entry[2])\n    from = id_after(entry[1])\n  end\n  return entries, false\nend\n\nlocal function is_for_legacy(id, fields)\n  if get_field(fields, 'listed') then return true end\n  if #fields ~= 2 or fields[1] ~= 'event' or legacy_limit == '' then return false end\n  return legacy_limit == '+' or not is_id_before(legacy_limit, id)\nend\n\nlocal function leave_to_legacy(id, fields)\n  redis.call('ZADD', leftovers, string.format('%.0f', deletable_at(id, fields[2])), id)\n  acknowledge_attempt(event_stream, group, id)\nend\n\nlocal function put_back(id, fields, is_contested)\n  end_attempt(event_stream, group, id)\n  fields = without_field(fields, 'listed')\n  if not get_field(fields, 'origin') then set_field(fields, 'origin', id) end\n  if attempts > 0 then\n    local attempt = tonumber(get_field(fields, 'attempt')) or 1\n    if error_name ~= '' then\n      local before = get_field(fields, 'errors')\n      set_field(fields, 'errors', with_attempt_error(before, error_name, error_message, attempt, now_ms()))\n    end\n    local abandoned = tonumber(get_field(fields, 'abandoned_attempts')) or 0\n    set_field(fields, 'abandoned_attempts', math.min(abandoned, attempt - 1) + attempts)\n    set_field(fields, 'attempt', attempt + attempts)\n  end\n  if is_contested then set_field(fields, 'listed', '1') end\n  local again = redis.call('XADD', event_stream, '*', unpack(fields))\n  local key = get_field(fields, 'ordering_key')\n  if key then move_head(key, get_field(fields, 'origin'), again) end\n  if is_contested then redis.call('RPUSH', message_queue, again) end\nend\n\nlocal bytes = 0\nfor i = ids_at, #ARGV do\n  if bytes >= MAX_BYTES then return i - ids_at end\n  local id = ARGV[i]\n  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)[1]\n  local is_owned = pending and (consumer == '' or pending[2] == consumer) and pending[3] >= min_idle\n  local entry = is_owned and redis.call('XRANGE', event_stream, id, id)[1]\n  if entry and #entry[2] < MAX_FIELDS then\n    local fields = entry[2]\n    bytes = bytes + bytes_of(fields)\n    local is_contested = pending[4] < WON and is_for_legacy(id, fields)\n    if is_contested and redis.call('LREM', message_queue, -1, id) == 0 then leave_to_legacy(id, fields)\n    else put_back(id, fields, is_contested) end\n  elseif is_owned and not entry then\n    acknowledge_attempt(event_stream, group, id)\n  end\nend\nreturn #ARGV - ids_at + 1\n",
  },
  cancel: {
    name: 'cancel',
    sha1: '382d8b93486089b76a18ae4e33a3a89b6c1051d2',
    commands: 'hdel hget hincrby hlen hset lrem pexpireat time xack xadd xdel xpending xrange zadd zrange zrem zremrangebyrank zremrangebyscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, cancelled, message_queue, lanes, lane_bodies = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal group, legacy_consumers, requests_at = ARGV[1], ARGV[2] == '1', 3\n\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\nlocal function delete_untaken(stream, group, id)\n  if is_pending(stream, group, id) then return false end\n  local entry = redis.call('XRANGE', stream, id, id)[1]\n  if not entry then return false end\n  redis.call('XDEL', stream, id)\n  return entry[2][1] ~= 'due'\nend\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal SOON_MS = 500\nlocal MAX_MARKS = 10000\n\nlocal function needs_mark(deadline, ordering_key, now)\n  return deadline > now + (ordering_key == '' and SOON_MS or 0)\nend\n\nlocal function mark_cancelled(marks, now)\n  if #marks == 0 or type(redis.pcall('ZADD', cancelled, unpack(marks))) ~= 'number' then return end\n  redis.call('ZREMRANGEBYSCORE', cancelled, '-inf', now)\n  redis.call('ZREMRANGEBYRANK', cancelled, 0, -MAX_MARKS - 1)\n  local last = redis.call('ZRANGE', cancelled, -1, -1, 'WITHSCORES')[2]\n  redis.call('PEXPIREAT', cancelled, string.format('%.0f', last))\nend\n\nlocal function delete_waiting(id, ordering_key)\n  if not legacy_consumers or ordering_key ~= '' then return delete_untaken(event_stream, group, id) end\n  return redis.call('LREM', message_queue, 1, id) == 1 and end_attempt(event_stream, group, id)\nend\n\nlocal now = now_ms()\nlocal deleted, marks = 0, {}\nfor i = requests_at, #ARGV, 3 do\n  local id, ordering_key, deadline = unpack(ARGV, i, i + 2)\n  local is_gone = delete_waiting(id, ordering_key)\n  if redis.call('ZREM', delayed, id) == 1 then\n    redis.call('HDEL', delayed_bodies, id)\n    is_gone = true\n  end\n  if is_gone then\n    deleted = deleted + 1\n    if ordering_key ~= '' then release(ordering_key, id) end\n  elseif needs_mark(tonumber(deadline), ordering_key, now) then\n    marks[#marks + 1], marks[#marks + 2] = deadline, id\n  end\nend\nmark_cancelled(marks, now)\nreturn deleted\n",
  },
  leaveRequest: {
    name: 'leaveRequest',
    sha1: 'cbbc099a4e25446960fb3e399f18260b9c351ccd',
    commands: 'del hdel hget hincrby hlen hmget hset pexpireat time xadd xdel xpending xrange zadd zrange zrem zremrangebyrank zremrangebyscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, delayed, delayed_bodies, lanes, lane_bodies, cancelled, record = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]\nlocal group, origin, ordering_key, deadline, waiter = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]\n\nlocal function is_pending(stream, group, id)\n  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)\n  return not pending.err and #pending > 0\nend\n\nlocal function delete_untaken(stream, group, id)\n  if is_pending(stream, group, id) then return false end\n  local entry = redis.call('XRANGE', stream, id, id)[1]\n  if not entry then return false end\n  redis.call('XDEL', stream, id)\n  return entry[2][1] ~= 'due'\nend\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal SOON_MS = 500\nlocal MAX_MARKS = 10000\n\nlocal function needs_mark(deadline, ordering_key, now)\n  return deadline > now + (ordering_key == '' and SOON_MS or 0)\nend\n\nlocal function mark_cancelled(marks, now)\n  if #marks == 0 or type(redis.pcall('ZADD', cancelled, unpack(marks))) ~= 'number' then return end\n  redis.call('ZREMRANGEBYSCORE', cancelled, '-inf', now)\n  redis.call('ZREMRANGEBYRANK', cancelled, 0, -MAX_MARKS - 1)\n  local last = redis.call('ZRANGE', cancelled, -1, -1, 'WITHSCORES')[2]\n  redis.call('PEXPIREAT', cancelled, string.format('%.0f', last))\nend\n\nlocal MAX_LOOKED = 1000\n\nlocal first, waiters, ends, own_key, expires, count =\n  unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ends', 'ordering_key', 'expires', 'count'))\nif first ~= origin then return 0 end\nordering_key = own_key or ordering_key\n\nlocal function is_behind()\n  if ordering_key == '' or count then return false end\n  local head, _, from, to = parse_lane(redis.call('HGET', lanes, ordering_key))\n  if not head or head == origin then return false end\n  for number = from, math.min(to, from + MAX_LOOKED - 1) do\n    local body = redis.call('HGET', lane_bodies, field_of(ordering_key, number))\n    if body and get_field(cmsgpack.unpack(body), 'origin') == origin then return true end\n  end\n  return to - from >= MAX_LOOKED\nend\n\nlocal others = {}\nfor client, request in string.gmatch(waiters, '(%S+) (%S+)') do\n  local other = client .. ' ' .. request\n  if other ~= waiter then others[#others + 1] = other end\nend\nredis.call('HSET', record, 'waiters', table.concat(others, ' '))\nif #others > 0 then return 0 end\nlocal is_gone = delete_untaken(event_stream, group, origin)\nif redis.call('ZREM', delayed, origin) == 1 then\n  redis.call('HDEL', delayed_bodies, origin)\n  is_gone = true\nend\nlocal now = now_ms()\nif is_gone or (tonumber(ends) or 0) <= now or is_behind() then redis.call('DEL', record) end\nif is_gone then\n  if ordering_key ~= '' then release(ordering_key, origin) end\n  return 1\nend\nlocal last = math.max(deadline, tonumber(expires) or 0)\nif needs_mark(last, ordering_key, now) then mark_cancelled({ string.format('%.0f', last), origin }, now) end\nreturn 0\n",
  },
  takeCancelled: {
    name: 'takeCancelled',
    sha1: 'bc0626c4ac07e2d131287e5717fcacbe6b77a15e',
    commands: 'zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal cancelled = KEYS[1]\nlocal origins_at = 1\nlocal taken = {}\nfor i = origins_at, #ARGV do\n  if redis.call('ZREM', cancelled, ARGV[i]) == 1 then taken[#taken + 1] = ARGV[i] end\nend\nreturn taken\n",
  },
  declareSchedule: {
    name: 'declareSchedule',
    sha1: '72176e950185d08d0fe86366828743a950bdf982',
    commands: 'exists hget hset time zadd zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, schedules, schedules_due = KEYS[1], KEYS[2], KEYS[3]\nlocal name, definition, next_due, is_lost = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal before = redis.call('HGET', schedules, name)\nlocal now = string.format('%.0f', now_ms())\nif is_lost and (before or redis.call('EXISTS', event_stream) == 0) then return 0 end\nlocal is_same = before and string.match(before, '^%d+ (.*)$') == definition\nif is_same and redis.call('ZSCORE', schedules_due, name) then\n  redis.call('HSET', schedules, name, now .. ' ' .. definition)\n  return 0\nend\nredis.call('HSET', schedules, name, now .. ' ' .. definition)\nredis.call('ZADD', schedules_due, string.format('%.0f', next_due), name)\nreturn 1\n",
  },
  readSchedules: {
    name: 'readSchedules',
    sha1: 'a736192afac04888cda9e304f5cf8ab1f95ee718',
    commands: 'hgetall time zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal schedules, schedules_due = KEYS[1], KEYS[2]\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal answer = { string.format('%.0f', now_ms()) }\nlocal fields = redis.call('HGETALL', schedules)\nfor i = 1, #fields, 2 do\n  answer[#answer + 1] = fields[i]\n  answer[#answer + 1] = fields[i + 1]\n  answer[#answer + 1] = redis.call('ZSCORE', schedules_due, fields[i]) or ''\nend\nreturn answer\n",
  },
  removeSchedule: {
    name: 'removeSchedule',
    sha1: '62b81e83f004a68b0a0998beb952d58870d406cb',
    commands: 'hget hset time zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal schedules, schedules_due = KEYS[1], KEYS[2]\nlocal name = ARGV[1]\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal entry = redis.call('HGET', schedules, name)\nif not entry or not string.find(entry, ' ', 1, true) then return 0 end\nredis.call('HSET', schedules, name, string.format('%.0f', now_ms()))\nredis.call('ZREM', schedules_due, name)\nreturn 1\n",
  },
  runSchedule: {
    name: 'runSchedule',
    sha1: '1f3e36d0fc2bd22480c8aa6a54a7448149bfd50f',
    commands: 'hget time xadd zadd zrem zscore',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, schedules, schedules_due = KEYS[1], KEYS[2], KEYS[3]\nlocal name, definition, due, next_due, events_at = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), 5\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal entry = redis.call('HGET', schedules, name)\nif not entry or string.match(entry, '^%d+ (.*)$') ~= definition then return 0 end\nif tonumber(redis.call('ZSCORE', schedules_due, name) or 0) ~= due then return 0 end\nif now_ms() < due then return now_ms() - due end\nfor i = events_at, #ARGV, 2 do\n  redis.call('XADD', event_stream, '*', 'event', ARGV[i], 'reply_to', '', 'headers', ARGV[i + 1])\nend\nif next_due > 0 then redis.call('ZADD', schedules_due, string.format('%.0f', next_due), name)\nelse redis.call('ZREM', schedules_due, name) end\nreturn 1\n",
  },
  answerInPart: {
    name: 'answerInPart',
    sha1: 'f42fd57fe45ec4465359e9065a65d4c5d72df360',
    commands: 'exists publish spublish xadd xclaim xpending',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, inboxes_at = KEYS[1], 2\nlocal group, pushes, attempts_at = ARGV[1], ARGV[2], 3\n\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\nlocal WON, HAS_ANSWERED = 2, 3\n\nlocal packs, lost = {}, {}\nfor i = attempts_at, #ARGV, 4 do\n  local id, consumer, inbox, replies = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]\n  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)[1]\n  if not pending or pending[2] ~= consumer then\n    lost[#lost + 1] = id\n  else\n    redis.call('XCLAIM', event_stream, group, consumer, 0, id, 'RETRYCOUNT', HAS_ANSWERED, 'JUSTID')\n    if inbox > 0 then\n      packs[inbox] = packs[inbox] or {}\n      table.insert(packs[inbox], replies)\n    end\n  end\nend\n\nfor inbox, pack in pairs(packs) do\n  add_replies(KEYS[inboxes_at + inbox - 1], '[' .. table.concat(pack, ',') .. ']')\nend\nreturn lost\n",
  },
  reply: {
    name: 'reply',
    sha1: 'a3496ca36c6110f61b8049c96cff8afe8af3b1d1',
    commands: 'exists publish spublish time xadd',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal inbox = KEYS[1]\nlocal replies, pushes = ARGV[1], ARGV[2]\n\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nreturn add_replies(inbox, replies) or string.format('%.0f', now_ms())\n",
  },
  respond: {
    name: 'respond',
    sha1: 'a65b1333a6c6b1e31effd7ab51a90b07cc46aa79',
    commands: 'xadd',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, response_stream = KEYS[1], KEYS[2]\nlocal request, response = ARGV[1], ARGV[2]\n\n\nlocal function add_response()\n  local body = redis.call('XADD', event_stream, '*', 'response', response)\n  redis.call('XADD', response_stream, '*', request, body)\n  return body\nend\n\nreturn add_response()\n",
  },
  settle: {
    name: 'settle',
    sha1: 'a0dbfe1b81568feeec02fec907494df4d674779d',
    commands: 'exists publish spublish xack xadd xdel xpending xrange xtrim',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, inboxes_at = KEYS[1], 2\nlocal pushes, group, first, stop, inbox_settlements_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], 5\n\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nlocal lost = {}\n\nlocal function delete_mine(replies, from, last)\n  local next_line, mine = string.gmatch(string.sub(replies, 2, -2), ',?([^\\n]+)'), {}\n  for i = from, last do\n    local line = next_line()\n    if end_attempt(event_stream, group, ARGV[i]) then\n      mine[#mine + 1] = line\n    else\n      lost[#lost + 1] = ARGV[i]\n    end\n  end\n  return #mine > 0 and '[' .. table.concat(mine, ',') .. ']' or ''\nend\n\nlocal function trim()\n  local older = redis.pcall('XPENDING', event_stream, group, '-', '(' .. first, 1)\n  if older.err or #older > 0 then return false end\n  if #redis.call('XRANGE', event_stream, '-', '(' .. first, 'COUNT', 1) > 0 then return false end\n  return type(redis.pcall('XTRIM', event_stream, 'MINID', stop)) == 'number'\nend\n\nlocal whole, i = {}, inbox_settlements_at\nwhile i < #ARGV do\n  local inbox, replies, length = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n  local from, last = i + 3, i + 2 + length\n  if end_attempts(event_stream, group, from, last) then\n    whole[#whole + 1] = { from, last }\n  else\n    replies = delete_mine(replies, from, last)\n  end\n  if replies ~= '' then add_replies(KEYS[inboxes_at + inbox - 1], replies) end\n  i = last + 1\nend\nif first == '' or #lost > 0 or not trim() then\n  for _, ids in ipairs(whole) do redis.call('XDEL', event_stream, unpack(ARGV, ids[1], ids[2])) end\nend\nreturn lost\n",
  },
  settleDeduplicated: {
    name: 'settleDeduplicated',
    sha1: '8535df31dcaa592cf3f7f974abff7e574dd77ec9',
    commands: 'del exists hdel hget hincrby hlen hmget hset pexpire publish spublish time xack xadd xclaim xdel xpending zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, record, lanes, lane_bodies, cancelled, inboxes_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], 6\nlocal group, id, origin, ordering_key, consumer, min_idle, how, waiters, requester, inbox_numbers, pushes, replies_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], 12\n\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal function read_record(record, origin, requester)\n  local first, waiters, ended, ends = unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ended', 'ends'))\n  if first ~= origin then return requester, false end\n  return waiters, true, ended, ends\nend\n\nlocal function remember_replies(record, number, replies, first, ends)\n  local last = number + #replies - first\n  for i = first, #replies - 1 do redis.call('HSET', record, number + i - first, replies[i]) end\n  if not ends then\n    redis.call('HSET', record, last, replies[#replies], 'count', last + 1)\n    return\n  end\n  redis.call('HSET', record, last, replies[#replies], 'count', last + 1, 'ended', 1)\n  redis.call('PEXPIRE', record, string.format('%.0f', ends - now_ms()))\nend\nlocal WON, HAS_ANSWERED = 2, 3\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal waiting, is_kept, ended, ends = read_record(record, origin, requester)\nif waiting ~= waiters then return waiting end\n\nlocal now = now_ms()\nif how == 'end' or how == 'expired' then\n  if not end_attempt(event_stream, group, id) then return 0 end\n  if ordering_key ~= '' then release(ordering_key, origin) end\nelseif how ~= 'response' then\n  local pending = redis.pcall('XPENDING', event_stream, group, id, id, 1)[1]\n  if not pending or (consumer ~= '' and pending[2] ~= consumer) or pending[3] < min_idle then return 0 end\n  local idle = how == 'part' and 0 or pending[3]\n  redis.call('XCLAIM', event_stream, group, pending[2], 0, id,\n    'IDLE', idle, 'RETRYCOUNT', HAS_ANSWERED, 'JUSTID')\nend\nif is_kept and ended then return now end\n\nif is_kept and how == 'expired' then\n  redis.call('DEL', record)\nelseif is_kept then\n  local number = string.match(ARGV[replies_at], '^%d+,(%d+)')\n  if how == 'failed' then number = redis.call('HGET', record, 'count') or 0 end\n  remember_replies(record, tonumber(number), ARGV, replies_at, how ~= 'part' and ends or nil)\nend\n\nlocal next_number = string.gmatch(inbox_numbers, '%d+')\nfor _, request in string.gmatch(waiters, '(%S+) (%S+)') do\n  local number = tonumber(next_number())\n  if number > 0 then\n    local replies = {}\n    for i = replies_at, #ARGV do replies[#replies + 1] = '[\"' .. request .. '\",' .. ARGV[i] end\n    add_replies(KEYS[inboxes_at + number - 1], '[' .. table.concat(replies, ',') .. ']')\n  end\nend\nreturn now\n",
  },
  settleDeduplicatedBatch: {
    name: 'settleDeduplicatedBatch',
    sha1: '4f4fa362361ac0ee13e164361f82d71a0b44b942',
    commands: 'exists hdel hget hincrby hlen hmget hset pexpire publish spublish time xack xadd xdel zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, lanes, lane_bodies, cancelled, addresses_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], 5\nlocal group, pushes, attempts_at = ARGV[1], ARGV[2], 3\n\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal function read_record(record, origin, requester)\n  local first, waiters, ended, ends = unpack(redis.pcall('HMGET', record, 'origin', 'waiters', 'ended', 'ends'))\n  if first ~= origin then return requester, false end\n  return waiters, true, ended, ends\nend\n\nlocal function remember_replies(record, number, replies, first, ends)\n  local last = number + #replies - first\n  for i = first, #replies - 1 do redis.call('HSET', record, number + i - first, replies[i]) end\n  if not ends then\n    redis.call('HSET', record, last, replies[#replies], 'count', last + 1)\n    return\n  end\n  redis.call('HSET', record, last, replies[#replies], 'count', last + 1, 'ended', 1)\n  redis.call('PEXPIRE', record, string.format('%.0f', ends - now_ms()))\nend\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\nlocal PER_ATTEMPT = 8\n\nlocal mine, ids, others, lost, packs = {}, {}, {}, {}, {}\n\nfor i = attempts_at, #ARGV, PER_ATTEMPT do\n  local id, origin, ordering_key, record, waiters, requester, inbox_numbers, replies =\n    unpack(ARGV, i, i + PER_ATTEMPT - 1)\n  record = KEYS[addresses_at + record - 1]\n  local waiting, is_kept, ended, ends = read_record(record, origin, requester)\n  if waiting ~= waiters then\n    others[#others + 1], others[#others + 2] = id, waiting\n  else\n    ids[#ids + 1] = id\n    mine[#mine + 1] = {\n      id = id,\n      origin = origin,\n      ordering_key = ordering_key,\n      record = is_kept and record,\n      is_told = is_kept and ended,\n      ends = ends,\n      waiters = waiters,\n      inbox_numbers = inbox_numbers,\n      replies = replies,\n    }\n  end\nend\n\nlocal function answer(attempt)\n  local replies = {}\n  for reply in string.gmatch(attempt.replies, '[^\\n]+') do replies[#replies + 1] = reply end\n  if attempt.record then\n    local number = tonumber(string.match(replies[1], '^%d+,(%d+)'))\n    remember_replies(attempt.record, number, replies, 1, attempt.ends)\n  end\n  local next_number = string.gmatch(attempt.inbox_numbers, '%d+')\n  for _, request in string.gmatch(attempt.waiters, '(%S+) (%S+)') do\n    local number = tonumber(next_number())\n    if number > 0 then\n      local pack = packs[number] or {}\n      packs[number] = pack\n      for _, reply in ipairs(replies) do pack[#pack + 1] = '[\"' .. request .. '\",' .. reply end\n    end\n  end\nend\n\nlocal is_whole = #ids > 0 and redis.pcall('XACK', event_stream, group, unpack(ids)) == #ids\nif is_whole then redis.call('XDEL', event_stream, unpack(ids)) end\nfor _, attempt in ipairs(mine) do\n  if is_whole or end_attempt(event_stream, group, attempt.id) then\n    if not attempt.is_told then answer(attempt) end\n    if attempt.ordering_key ~= '' then release(attempt.ordering_key, attempt.origin) end\n  else\n    lost[#lost + 1] = attempt.id\n  end\nend\nfor number, pack in pairs(packs) do\n  add_replies(KEYS[addresses_at + number - 1], '[' .. table.concat(pack, ',') .. ']')\nend\nreturn { lost, others }\n",
  },
  settleKeyed: {
    name: 'settleKeyed',
    sha1: 'b03c3a21e5009d996ff0a29378295a722855d798',
    commands: 'exists hdel hget hincrby hlen hset publish spublish time xack xadd xdel xpending xrange xtrim zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, lanes, lane_bodies, cancelled, inboxes_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], 5\nlocal group, first, stop, keyed, pushes, inbox_settlements_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], 6\n\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\n\n\nlocal PUSHED_BYTES = 16 * 1024\n\nlocal function push_replies(inbox, replies)\n  local id = redis.pcall('XADD', inbox, '*', 'replies', replies)\n  if pushes == '' or type(id) ~= 'string' then return id end\n  local push = #replies < PUSHED_BYTES and id .. '  ' .. replies or id\n  if pushes == 'spublish' then\n    redis.pcall('SPUBLISH', inbox, push)\n    return id\n  end\n  if redis.set_repl then redis.set_repl(redis.REPL_NONE) end\n  redis.pcall('PUBLISH', inbox, push)\n  if redis.set_repl then redis.set_repl(redis.REPL_ALL) end\n  return id\nend\n\nlocal function add_replies(inbox, replies)\n  if redis.call('EXISTS', inbox) == 1 then return push_replies(inbox, replies) end\nend\n\nlocal function end_attempt(stream, group, id)\n  if redis.call('XDEL', stream, id) == 0 then return false end\n  redis.pcall('XACK', stream, group, id)\n  return true\nend\n\nlocal function end_attempts(stream, group, first, last)\n  return redis.pcall('XACK', stream, group, unpack(ARGV, first, last)) == last - first + 1\nend\n\nlocal function acknowledge_attempt(stream, group, id)\n  return redis.call('XACK', stream, group, id) == 1\nend\n\nlocal lost = {}\n\nlocal function delete_mine(replies, from, last)\n  local next_line, mine = string.gmatch(string.sub(replies, 2, -2), ',?([^\\n]+)'), {}\n  for i = from, last do\n    local line = next_line()\n    if end_attempt(event_stream, group, ARGV[i]) then\n      mine[#mine + 1] = line\n    else\n      lost[#lost + 1] = ARGV[i]\n    end\n  end\n  return #mine > 0 and '[' .. table.concat(mine, ',') .. ']' or ''\nend\n\nlocal function trim()\n  local older = redis.pcall('XPENDING', event_stream, group, '-', '(' .. first, 1)\n  if older.err or #older > 0 then return false end\n  if #redis.call('XRANGE', event_stream, '-', '(' .. first, 'COUNT', 1) > 0 then return false end\n  return type(redis.pcall('XTRIM', event_stream, 'MINID', stop)) == 'number'\nend\n\nlocal whole, i = {}, inbox_settlements_at\nwhile i < #ARGV do\n  local inbox, replies, length = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n  local from, last = i + 3, i + 2 + length\n  if end_attempts(event_stream, group, from, last) then\n    whole[#whole + 1] = { from, last }\n  else\n    replies = delete_mine(replies, from, last)\n  end\n  if replies ~= '' then add_replies(KEYS[inboxes_at + inbox - 1], replies) end\n  i = last + 1\nend\nif first == '' or #lost > 0 or not trim() then\n  for _, ids in ipairs(whole) do redis.call('XDEL', event_stream, unpack(ARGV, ids[1], ids[2])) end\nend\nlocal is_lost = {}\nfor _, id in ipairs(lost) do is_lost[id] = true end\nkeyed = cjson.decode(keyed)\nfor i = 1, #keyed, 3 do\n  if not is_lost[keyed[i]] then release(keyed[i + 1], keyed[i + 2]) end\nend\nreturn lost\n",
  },
  publish: {
    name: 'publish',
    sha1: '1525048c4e17a9326318de54fde3de420ef26fea',
    commands: 'hget hgetall hincrby hset pexpire time xadd xlen',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal producer, subscriptions, unrouted, event_streams_at = KEYS[1], KEYS[2], KEYS[3], 4\nlocal batch, answer_field, answer_ttl_ms, version, unrouted_count, unrouted_action, groups_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], 7\n\n\nlocal known = redis.call('HGET', producer, answer_field)\nif known then\n  local stored = string.match(known, '^%d+')\n  if stored == batch then\n    redis.call('PEXPIRE', producer, answer_ttl_ms)\n    return string.sub(known, #stored + 2)\n  end\n  if tonumber(stored) > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nif (redis.call('HGET', subscriptions, '') or '') ~= version then\n  return redis.call('HGETALL', subscriptions)\nend\n\nlocal known_routes = {}\n\nlocal function parse_routes(text)\n  local routes = known_routes[text]\n  if routes then return routes end\n  routes = {}\n  for route in string.gmatch(text, '%d+') do routes[#routes + 1] = tonumber(route) end\n  known_routes[text] = routes\n  return routes\nend\n\nlocal function remember_copies(copies)\n  if unrouted_count > 0 then\n    redis.call('HINCRBY', unrouted, 'count', unrouted_count)\n    redis.call('HSET', unrouted, 'action', unrouted_action, 'time', string.format('%.0f', now_ms()))\n  end\n  local answer = table.concat(copies, ',')\n  redis.call('HSET', producer, answer_field, batch .. ' ' .. answer)\n  redis.call('PEXPIRE', producer, answer_ttl_ms)\n  return answer\nend\n\nfor i = event_streams_at, #KEYS do redis.call('XLEN', KEYS[i]) end\n\nlocal function store_copies(routes, first, last)\n  for _, route in ipairs(routes) do\n    local stream = KEYS[event_streams_at + route - 1]\n    if first == last then\n      redis.call('XADD', stream, '*', 'event', ARGV[first], 'reply_to', '')\n    else\n      redis.call('XADD', stream, '*', 'event', ARGV[first], 'reply_to', '', unpack(ARGV, first + 1, last))\n    end\n  end\nend\n\nlocal copies, i = {}, groups_at\nwhile i <= #ARGV do\n  local routes, texts_per_event, length = parse_routes(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2]\n  local last = i + 2 + length\n  for first = i + 3, last, texts_per_event do\n    store_copies(routes, first, first + texts_per_event - 1)\n    copies[#copies + 1] = #routes\n  end\n  i = last + 1\nend\nreturn remember_copies(copies)\n",
  },
  publishWithOptions: {
    name: 'publishWithOptions',
    sha1: '76a3c70473900ef0d9523e259a2f0a2a18ed836c',
    commands: 'get hdel hget hgetall hincrby hlen hset incrby pexpire set time xadd xlen zadd zcard zrange',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal producer, subscriptions, unrouted, event_stream, delayed, delayed_bodies, lane_ids, lane_bodies, lanes, queue_keys_at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], 10\nlocal batch, answer_field, answer_ttl_ms, version, unrouted_count, unrouted_action, events_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], 7\n\n\nlocal known = redis.call('HGET', producer, answer_field)\nif known then\n  local stored = string.match(known, '^%d+')\n  if stored == batch then\n    redis.call('PEXPIRE', producer, answer_ttl_ms)\n    return string.sub(known, #stored + 2)\n  end\n  if tonumber(stored) > tonumber(batch) then return redis.error_reply('STALE batch ' .. batch) end\nend\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nif (redis.call('HGET', subscriptions, '') or '') ~= version then\n  return redis.call('HGETALL', subscriptions)\nend\n\nlocal known_routes = {}\n\nlocal function parse_routes(text)\n  local routes = known_routes[text]\n  if routes then return routes end\n  routes = {}\n  for route in string.gmatch(text, '%d+') do routes[#routes + 1] = tonumber(route) end\n  known_routes[text] = routes\n  return routes\nend\n\nlocal function remember_copies(copies)\n  if unrouted_count > 0 then\n    redis.call('HINCRBY', unrouted, 'count', unrouted_count)\n    redis.call('HSET', unrouted, 'action', unrouted_action, 'time', string.format('%.0f', now_ms()))\n  end\n  local answer = table.concat(copies, ',')\n  redis.call('HSET', producer, answer_field, batch .. ' ' .. answer)\n  redis.call('PEXPIRE', producer, answer_ttl_ms)\n  return answer\nend\n\n\n\nlocal LANE_IDS_TTL_MS = 60000\nlocal IDS_PER_NUMBER = 999\nlocal id_prefix, ids_made = nil, IDS_PER_NUMBER\n\nlocal function make_id()\n  if ids_made == IDS_PER_NUMBER then\n    local number = redis.call('INCRBY', lane_ids, 1)\n    redis.call('PEXPIRE', lane_ids, LANE_IDS_TTL_MS)\n    id_prefix, ids_made = string.format('%.0f-1%011.0f', now_ms(), number % 1e11), 0\n  end\n  ids_made = ids_made + 1\n  return id_prefix .. string.format('%03d', ids_made)\nend\n\nlocal SOON_MS = 2500\n\nlocal first_due = {}\n\nlocal function announce(due)\n  local earliest = first_due[delayed] or redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]\n  local is_first = not earliest or tonumber(due) < tonumber(earliest)\n  first_due[delayed] = is_first and due or earliest\n  if not is_first or tonumber(due) > now_ms() + SOON_MS then return nil end\n  return redis.call('XADD', event_stream, '*', 'due', due)\nend\n\nlocal function store_due(fields, due)\n  local id = announce(due) or make_id()\n  redis.call('ZADD', delayed, due, id)\n  fields[#fields + 1], fields[#fields + 2] = 'origin', id\n  redis.call('HSET', delayed_bodies, id, cjson.encode(fields))\n  return id\nend\n\nlocal function store_delayed(fields, delay)\n  local due = string.format('%.0f', now_ms() + 1 + delay)\n  fields[#fields + 1], fields[#fields + 2] = 'due', due\n  return store_due(fields, due)\nend\n\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\n\nlocal function add_to_lane(key, fields, origin)\n  if key == '' then return redis.call('XADD', event_stream, '*', unpack(fields)) end\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head or head == origin then\n    local id = redis.call('XADD', event_stream, '*', unpack(fields))\n    if head then set_lane(key, head, id, first, last) else set_lane(key, origin or id, id, 1, 0) end\n    return id\n  end\n  if not origin then\n    origin = make_id()\n    fields[#fields + 1], fields[#fields + 2] = 'origin', origin\n  end\n  if first > last then count_blocked(1) end\n  last = last + 1\n  redis.call('HSET', lane_bodies, field_of(key, last), cmsgpack.pack(fields))\n  set_lane(key, head, entry, first, last)\n  return origin\nend\n\nlocal KEYS_PER_QUEUE = 5\n\nlocal function select_queue(route)\n  local at = queue_keys_at + (route - 1) * KEYS_PER_QUEUE\n  event_stream, delayed, delayed_bodies, lanes, lane_bodies = unpack(KEYS, at, at + KEYS_PER_QUEUE - 1)\nend\n\nlocal function store_copy(route, json, delay, first, last)\n  select_queue(route)\n  local fields = { 'event', json, 'reply_to', '', unpack(ARGV, first, last) }\n  if delay > 0 then store_delayed(fields, delay)\n  elseif fields[5] == 'ordering_key' then add_to_lane(fields[6], fields)\n  else redis.call('XADD', event_stream, '*', unpack(fields)) end\nend\n\nlocal function first_copies(record)\n  local key = record > 0 and KEYS[queue_keys_at + record - 1]\n  local count = key and redis.pcall('GET', key)\n  return key, type(count) == 'string' and tonumber(count) or nil\nend\n\nredis.call('GET', lane_ids)\nlocal checked = {}\nlocal i = events_at\nwhile i <= #ARGV do\n  for _, route in ipairs(parse_routes(ARGV[i + 1])) do\n    if not checked[route] then\n      checked[route] = true\n      select_queue(route)\n      redis.call('XLEN', event_stream)\n      redis.call('ZCARD', delayed)\n      redis.call('HLEN', delayed_bodies)\n      redis.call('HLEN', lanes)\n      redis.call('HLEN', lane_bodies)\n    end\n  end\n  i = i + 6 + ARGV[i + 5]\nend\n\nlocal copies = {}\ni = events_at\nwhile i <= #ARGV do\n  local json, routes, delay = ARGV[i], parse_routes(ARGV[i + 1]), tonumber(ARGV[i + 2])\n  local record, known = first_copies(tonumber(ARGV[i + 3]))\n  local last = i + 5 + ARGV[i + 5]\n  if not known then\n    for _, route in ipairs(routes) do store_copy(route, json, delay, i + 6, last) end\n    if record and #routes > 0 then redis.call('SET', record, #routes, 'PX', ARGV[i + 4]) end\n  end\n  copies[#copies + 1] = known or #routes\n  i = last + 1\nend\nreturn remember_copies(copies)\n",
  },
  readBusyLanes: {
    name: 'readBusyLanes',
    sha1: 'd903aaf84b080d6954c45e2615a68b2072090857',
    commands: 'hdel hget hincrby hscan hset xinfo|groups',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, lanes = KEYS[1], KEYS[2]\nlocal group, cursor, count = ARGV[1], ARGV[2], tonumber(ARGV[3])\n\n\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal function is_busy(entry, taken)\n  return not string.match(entry, '^%d+%-%d+$') or not is_id_before(taken, entry)\nend\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal function last_taken(stream, group)\n  local info = group_info(stream, group)\n  return info and info['last-delivered-id'] or '0-0'\nend\n\nlocal next_cursor, fields = unpack(redis.call('HSCAN', lanes, cursor, 'COUNT', count))\nlocal found, taken = {}, last_taken(event_stream, group)\nfor i = 1, #fields, 2 do\n  local head, entry, first, last = parse_lane(fields[i + 1])\n  if head and fields[i] ~= '' and first <= last and is_busy(entry, taken) then\n    found[#found + 1] = { fields[i], head, last - first + 1 }\n  end\nend\nreturn { next_cursor, found }\n",
  },
  subscribe: {
    name: 'subscribe',
    sha1: '9aa92b07227694a47ff7aac8297bc2233f896176',
    commands: 'hdel hget hgetall hset xgroup|create xinfo|groups',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal subscriptions, event_stream = KEYS[1], KEYS[2]\nlocal group, name, expected, description, version, limit, may_return = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'\n\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal function count_subscriptions()\n  local count, fields = 0, redis.call('HGETALL', subscriptions)\n  for i = 1, #fields, 2 do\n    if fields[i] ~= '' and string.sub(fields[i], 1, 1) ~= '-' then count = count + 1 end\n  end\n  return count\nend\n\nlocal known = redis.call('HGET', subscriptions, name)\nif not known and not may_return and redis.call('HGET', subscriptions, '-' .. name) then return 'REMOVED' end\nif (known or '') ~= expected then return 'CHANGED' end\nif not known and count_subscriptions() >= limit then return 'FULL' end\n\nif not group_info(event_stream, group) then\n  redis.call('XGROUP', 'CREATE', event_stream, group, '0', 'MKSTREAM')\nend\nif description ~= expected then\n  redis.call('HSET', subscriptions, name, description, '', version)\n  redis.call('HDEL', subscriptions, '-' .. name)\nend\nreturn 'OK'\n",
  },
  trimWaiting: {
    name: 'trimWaiting',
    sha1: '3b738236b53082d8797db33a39079cb037604823',
    commands: 'hdel hget hincrby hlen hset time xadd xdel xinfo|groups xlen xrange zrem',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal event_stream, lanes, lane_bodies, cancelled, trimmed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]\nlocal group, name, max, max_age, limit, budget, spared, keys_at = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), 8\n\n\nlocal MAX_FIELDS = 7000\n\nlocal function are_fields(fields)\n  if type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then return false end\n  if #fields >= MAX_FIELDS then return false end\n  for _, text in ipairs(fields) do\n    if type(text) ~= 'string' then return false end\n  end\n  return true\nend\n\nlocal function bytes_of(fields)\n  local bytes = 0\n  for i = 2, #fields, 2 do bytes = bytes + #fields[i] end\n  return bytes\nend\n\nlocal function get_field(fields, name)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then return fields[i + 1] end\n  end\n  return nil\nend\n\nlocal function set_field(fields, name, value)\n  for i = 1, #fields, 2 do\n    if fields[i] == name then\n      fields[i + 1] = value\n      return\n    end\n  end\n  fields[#fields + 1], fields[#fields + 2] = name, value\nend\n\nlocal function without_field(fields, name)\n  local rest = {}\n  for i = 1, #fields, 2 do\n    if fields[i] ~= name then rest[#rest + 1], rest[#rest + 2] = fields[i], fields[i + 1] end\n  end\n  return rest\nend\n\nlocal function parts_of_id(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  return tonumber(time), tonumber(number)\nend\n\nlocal function id_after(id)\n  local time, number = string.match(id, '^(%d+)%-(%d+)$')\n  if tonumber(number) >= 2 ^ 53 then return string.format('%.0f-0', time + 1) end\n  return time .. '-' .. string.format('%.0f', number + 1)\nend\n\nlocal function is_id_before(id, other)\n  local time, number = parts_of_id(id)\n  local other_time, other_number = parts_of_id(other)\n  return time < other_time or (time == other_time and number < other_number)\nend\n\nlocal function is_busy(entry, taken)\n  return not string.match(entry, '^%d+%-%d+$') or not is_id_before(taken, entry)\nend\nlocal function field_of(key, number)\n  return string.format('%.0f ', number) .. key\nend\n\n\nlocal DELAYED = 'd'\nlocal DEAD = 'x'\n\nlocal function parse_lane(text)\n  if not text then return nil end\n  local head, entry, first, last = string.match(text, '^(%d+%-%d+) (%S+) (%d+) (%d+)$')\n  if head then return head, entry, tonumber(first), tonumber(last) end\n  return string.match(text, '^%d+%-%d+$'), text, 1, 0\nend\n\nlocal function set_lane(key, head, entry, first, last)\n  local text = head\n  if head ~= entry or first <= last then text = string.format('%s %s %.0f %.0f', head, entry, first, last) end\n  redis.call('HSET', lanes, key, text)\nend\n\nlocal function count_blocked(change)\n  if redis.call('HINCRBY', lanes, '', change) <= 0 then redis.call('HDEL', lanes, '') end\nend\n\nlocal function move_head(key, origin, entry)\n  local head, _, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if not head then set_lane(key, origin, entry, 1, 0)\n  elseif head == origin then set_lane(key, head, entry, first, last) end\nend\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MAX_DROPPED = 100\nlocal dropped = 0\n\nlocal function is_useless(fields, origin)\n  local reply_to = get_field(fields, 'reply_to')\n  if not reply_to or reply_to == '' then return false end\n  local timeout = string.match(fields[2], '\"timeout\":%s*(%d+)')\n  local due = tonumber(get_field(fields, 'due') or string.match(origin, '^%d+'))\n  local is_shared = get_field(fields, 'deduplication')\n  if not is_shared and timeout and due and due + timeout * 1000 <= now_ms() then return true end\n  return redis.pcall('ZREM', cancelled, origin) == 1\nend\n\nlocal function release(key, origin)\n  local text = redis.call('HGET', lanes, key)\n  local head, _, first, last = parse_lane(text)\n  if head ~= origin then return false end\n  if first > last then\n    redis.call('HDEL', lanes, key)\n    return true\n  end\n  for number = first, last do\n    local field = field_of(key, number)\n    local body = redis.call('HGET', lane_bodies, field)\n    if body then\n      local fields = cmsgpack.unpack(body)\n      local next_origin = get_field(fields, 'origin')\n      local is_dropped = dropped < MAX_DROPPED and is_useless(fields, next_origin)\n      redis.call('HDEL', lane_bodies, field)\n      if is_dropped then\n        dropped = dropped + 1\n      else\n        set_lane(key, next_origin, redis.call('XADD', event_stream, '*', unpack(fields)), number + 1, last)\n        if number == last then count_blocked(-1) end\n        return true\n      end\n    elseif redis.call('HLEN', lane_bodies) == 0 then\n      break\n    end\n  end\n  count_blocked(-1)\n  redis.call('HDEL', lanes, key)\n  return true\nend\nlocal function group_info(stream, group)\n  local groups = redis.pcall('XINFO', 'GROUPS', stream)\n  for _, known in ipairs(groups.err and {} or groups) do\n    local info = {}\n    for i = 1, #known, 2 do info[known[i]] = known[i + 1] end\n    if info['name'] == group then return info end\n  end\nend\n\nlocal function last_taken(stream, group)\n  local info = group_info(stream, group)\n  return info and info['last-delivered-id'] or '0-0'\nend\n\nlocal MAX_PASSED = 1000\nlocal MAX_AHEAD = 100\n\nlocal taken = last_taken(event_stream, group)\nlocal over = redis.call('XLEN', event_stream) + redis.call('HLEN', lane_bodies) - max\nlocal now = now_ms()\nlocal youngest = now - max_age\nlocal count, bytes, looked, passed = 0, 0, 0, 0\n\nlocal function waits_since(id, fields)\n  if get_field(fields, 'attempt') then return tonumber(string.match(id, '^%d+')) end\n  local origin = get_field(fields, 'origin') or id\n  return tonumber(get_field(fields, 'due') or string.match(origin, '^%d+')) or 0\nend\n\nlocal function find_first(lane)\n  lane.since = nil\n  while lane.first <= lane.last and passed < MAX_PASSED do\n    local body = redis.call('HGET', lane_bodies, field_of(lane.key, lane.first))\n    if body then\n      local is_packed, fields = pcall(cmsgpack.unpack, body)\n      local origin = is_packed and are_fields(fields) and get_field(fields, 'origin')\n      lane.bytes, lane.since = #body, origin and waits_since(origin, fields)\n      return\n    end\n    passed, lane.first = passed + 1, lane.first + 1\n  end\nend\n\nlocal busy_lanes, read_bytes, has_unread = {}, 0, false\nfor i = keys_at, #ARGV do\n  local key = ARGV[i]\n  local head, entry, first, last = parse_lane(redis.call('HGET', lanes, key))\n  if head and first <= last and is_busy(entry, taken) then\n    if read_bytes >= budget then\n      spared, has_unread = spared + last - first + 1, true\n    else\n      local lane = { key = key, head = head, entry = entry, first = first, last = last, bytes = 0 }\n      find_first(lane)\n      read_bytes = read_bytes + lane.bytes\n      busy_lanes[#busy_lanes + 1] = lane\n    end\n  end\nend\n\nlocal function find_oldest_lane()\n  local oldest\n  for _, lane in ipairs(busy_lanes) do\n    if lane.since and (not oldest or lane.since < oldest.since) then oldest = lane end\n  end\n  return oldest\nend\n\nlocal function is_nudge(fields) return fields[1] == 'due' end\n\nlocal nudges = {}\nlocal function pass_nudge(id, fields)\n  if nudges[id] then return end\n  nudges[id], over = true, over - 1\n  if (tonumber(fields[2]) or 0) <= now then redis.call('XDEL', event_stream, id) end\nend\n\nlocal function pass_nudges()\n  local from, read = id_after(taken), 0\n  for _ = 1, MAX_AHEAD do\n    if over <= 0 or read >= budget then return end\n    local found = redis.call('XRANGE', event_stream, from, '+', 'COUNT', 1)[1]\n    if not found then return end\n    if is_nudge(found[2]) then pass_nudge(found[1], found[2]) end\n    from, read = id_after(found[1]), read + bytes_of(found[2])\n  end\nend\n\nlocal next_id = id_after(taken)\nlocal function find_entry()\n  while looked < limit do\n    local found = redis.call('XRANGE', event_stream, next_id, '+', 'COUNT', 1)[1]\n    if not found then return nil end\n    local id, fields = found[1], found[2]\n    looked, next_id = looked + 1, id_after(id)\n    if not is_nudge(fields) then return { id = id, fields = fields, since = waits_since(id, fields) } end\n    pass_nudge(id, fields)\n  end\nend\n\nlocal function delete_first(lane)\n  redis.call('HDEL', lane_bodies, field_of(lane.key, lane.first))\n  bytes = bytes + lane.bytes\n  lane.first = lane.first + 1\n  find_first(lane)\n  set_lane(lane.key, lane.head, lane.entry, lane.first, lane.last)\n  if lane.first > lane.last then count_blocked(-1) end\nend\n\nlocal function delete_entry(entry)\n  redis.call('XDEL', event_stream, entry.id)\n  bytes = bytes + bytes_of(entry.fields)\n  local key = get_field(entry.fields, 'ordering_key')\n  if not key or not release(key, get_field(entry.fields, 'origin') or entry.id) then return end\n  for _, lane in ipairs(busy_lanes) do\n    if lane.key == key then lane.since = nil end\n  end\nend\n\npass_nudges()\nlocal entry\nwhile count < limit and bytes < budget do\n  entry = entry or find_entry()\n  local lane = find_oldest_lane()\n  local is_entry_due = entry and (over > spared or entry.since <= youngest)\n  local is_lane_due = lane and (over > 0 or lane.since <= youngest)\n  if is_lane_due and not (is_entry_due and entry.since < lane.since) then\n    delete_first(lane)\n  elseif is_entry_due then\n    delete_entry(entry)\n    entry = nil\n  else\n    break\n  end\n  count, over = count + 1, over - 1\nend\nif count == 0 then return { 0, 0 } end\nredis.call('HINCRBY', trimmed, name, count)\nlocal is_cut = count >= limit or looked >= limit or bytes >= budget or passed >= MAX_PASSED or has_unread\nreturn { count, is_cut and 1 or 0 }\n",
  },
  unsubscribe: {
    name: 'unsubscribe',
    sha1: 'fa237fb46698b69500e487b1806a22363504913a',
    commands: 'hdel hget hgetall hset time unlink',
    source: "if redis.replicate_commands then redis.replicate_commands() end\nlocal subscriptions, trimmed, queue_keys_at = KEYS[1], KEYS[2], 3\nlocal name, version, expected = ARGV[1], ARGV[2], ARGV[3]\n\nlocal script_ms\n\nlocal function now_ms()\n  if not script_ms then\n    local time = redis.call('TIME')\n    script_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n  end\n  return script_ms\nend\n\nlocal MARK_MS = 7 * 24 * 3600 * 1000\n\nif expected and redis.call('HGET', subscriptions, name) ~= expected then return 0 end\nredis.call('UNLINK', unpack(KEYS, queue_keys_at))\nlocal now = now_ms()\nlocal fields = redis.call('HGETALL', subscriptions)\nfor i = 1, #fields, 2 do\n  local is_mark = string.sub(fields[i], 1, 1) == '-'\n  if is_mark and (tonumber(fields[i + 1]) or 0) < now - MARK_MS then\n    redis.call('HDEL', subscriptions, fields[i])\n  end\nend\nlocal was_there = redis.call('HDEL', subscriptions, name)\nredis.call('HSET', subscriptions, '-' .. name, string.format('%.0f', now), '', version)\nredis.call('HDEL', trimmed, name)\nreturn was_there\n",
  },
} as const;

/** Stores the description that a worker gives of itself. */
export function announce(keys: {
    readonly workers: string;
  }, args: {
    /** name of the worker */
    readonly worker: string;
    /** a JSON object with at least one member */
    readonly description: string;
    /** TTL of the description, ms: a worker that is silent for longer has gone */
    readonly ttl: number;
    /** where to look for workers that have gone, '0' to begin */
    readonly cursor: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.announce,
    keys: [keys.workers],
    args: [args.worker, args.description, args.ttl, args.cursor],
  };
}

/** Deletes the records of deduplicated requests that have been removed, so that nobody joins them. */
export function forgetRequests(keys: {
    /** record of the key of each request, hash */
    readonly records: readonly string[];
  }, args: {
    /** of the requests, in the same order */
    readonly origins: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.forgetRequests,
    keys: [...keys.records],
    args: [...args.origins],
  };
}

/** Reads the workers of a queue that have not been silent for too long. */
export function listWorkers(keys: {
    readonly workers: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.listWorkers,
    keys: [keys.workers],
    args: [],
  };
}

/** Pauses a queue, unless it is paused. */
export function pause(keys: {
    readonly control: string;
  }, args: {
    /** whoever pauses it, or '' */
    readonly by: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.pause,
    keys: [keys.control],
    args: [args.by],
  };
}

/** Deletes messages that no worker has taken, the oldest first, and nudges, which do not count. */
export function purgeWaiting(keys: {
    readonly eventStream: string;
    readonly messageQueue: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
  }, args: {
    readonly group: string;
    /** id at which to begin, '' for the first one that waits */
    readonly first: string;
    /** id of the last entry to look at */
    readonly last: string;
    /** how many entries to look at */
    readonly limit: number;
    /** bytes after which no further entry is deleted */
    readonly budget: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.purgeWaiting,
    keys: [keys.eventStream, keys.messageQueue, keys.lanes, keys.laneBodies, keys.cancelled],
    args: [args.group, args.first, args.last, args.limit, args.budget],
  };
}

/** Reads the state of a queue, and writes nothing. */
export function queueState(keys: {
    readonly eventStream: string;
    readonly responseStream: string;
    readonly delayed: string;
    readonly deadLetters: string;
    readonly workers: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly control: string;
    readonly moving: string;
  }, args: {
    readonly group: string;
    /** the feature of workers that know ordering keys */
    readonly orderingKeys: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.queueState,
    keys: [keys.eventStream, keys.responseStream, keys.delayed, keys.deadLetters, keys.workers, keys.lanes, keys.laneBodies, keys.control, keys.moving],
    args: [args.group, args.orderingKeys],
  };
}

/** Reads what is known of the heads of lanes, and writes nothing. */
export function readHeads(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
  }, args: {
    readonly group: string;
    /** per head. `entry` is the id of its entry, 'd' when it is delayed, 'x' when it is a dead letter. */
    readonly heads: readonly { readonly origin: string; readonly entry: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group];
  for (const each of args.heads) {
    list.push(each.origin);
    list.push(each.entry);
  }
  return {
    script: SCRIPTS.readHeads,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.deadLetters, keys.deadLetterBodies],
    args: list,
  };
}

/** Reads messages that wait behind another one of their ordering key, in no order, and writes nothing. */
export function readOrdered(keys: {
    readonly laneBodies: string;
  }, args: {
    /** of the step before, '0' at first */
    readonly cursor: string;
    /** origin of the last message that was looked at after this cursor, '' for none */
    readonly seen: string;
    /** how many messages to look at, at the most */
    readonly limit: number;
    /** bytes after which no further message is looked at */
    readonly budget: number;
    /** of the messages to find; none: all */
    readonly origins: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.readOrdered,
    keys: [keys.laneBodies],
    args: [args.cursor, args.seen, args.limit, args.budget, ...args.origins],
  };
}

/** Reads a page of the entries that are pending: a worker has taken them and not settled them. */
export function readRunning(keys: {
    readonly eventStream: string;
  }, args: {
    readonly group: string;
    /** id of the last entry of the page before, '' to begin */
    readonly seen: string;
    /** how many at the most */
    readonly limit: number;
    /** bytes after which no further entry is read */
    readonly budget: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.readRunning,
    keys: [keys.eventStream],
    args: [args.group, args.seen, args.limit, args.budget],
  };
}

/** Reads a page of the entries of the event stream that no worker has taken. */
export function readWaiting(keys: {
    readonly eventStream: string;
  }, args: {
    readonly group: string;
    /** id of the last entry of the page before, '' to begin */
    readonly seen: string;
    /** 'oldest' or 'newest': which entry comes first */
    readonly order: string;
    /** how many at the most */
    readonly limit: number;
    /** bytes after which no further entry is read */
    readonly budget: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.readWaiting,
    keys: [keys.eventStream],
    args: [args.group, args.seen, args.order, args.limit, args.budget],
  };
}

/** Deletes messages that nobody handles: waiting, delayed and dead ones. */
export function removeMessages(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
    readonly messageQueue: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly held: string;
  }, args: {
    readonly group: string;
    /** bytes after which no further message is deleted */
    readonly budget: number;
    /** of its entry for a waiting message, of its origin for another one */
    readonly ids: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.removeMessages,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.deadLetters, keys.deadLetterBodies, keys.messageQueue, keys.lanes, keys.laneBodies, keys.cancelled, keys.held],
    args: [args.group, args.budget, ...args.ids],
  };
}

/** Deletes messages that wait behind another one of their ordering key. */
export function removeOrdered(keys: {
    readonly lanes: string;
    readonly laneBodies: string;
  }, args: {
    /** bytes after which no further message is deleted */
    readonly budget: number;
    /** per message. `field` is its field in the hash. Another message with this field stays. */
    readonly messages: readonly { readonly field: string; readonly origin: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.budget];
  for (const each of args.messages) {
    list.push(each.field);
    list.push(each.origin);
  }
  return {
    script: SCRIPTS.removeOrdered,
    keys: [keys.lanes, keys.laneBodies],
    args: list,
  };
}

/** Puts chosen delayed messages into the queue now, whenever they are due. */
export function runDelayed(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    /** string with a TTL: counts the calls that make ids */
    readonly laneIds: string;
  }, args: {
    readonly group: string;
    /** bytes after which no further message is put into the queue */
    readonly budget: number;
    readonly origins: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.runDelayed,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.lanes, keys.laneBodies, keys.laneIds],
    args: [args.group, args.budget, ...args.origins],
  };
}

/** Sets the limits of a queue in place of those before. */
export function setLimits(keys: {
    readonly control: string;
  }, args: {
    /** messages that may run at once, or '' */
    readonly concurrency: string;
    /** messages that may be started in `per`, or '' */
    readonly rate: string;
    /** ms, or '' */
    readonly per: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.setLimits,
    keys: [keys.control],
    args: [args.concurrency, args.rate, args.per],
  };
}

/** Reads the clock of the server that has the queue. */
export function time(keys: {
    readonly eventStream: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.time,
    keys: [keys.eventStream],
    args: [],
  };
}

/** Takes entries for a consumer, as many as the limits of the queue allow. */
export function take(keys: {
    readonly eventStream: string;
    readonly control: string;
  }, args: {
    readonly group: string;
    readonly consumer: string;
    /** the largest number of entries */
    readonly count: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.take,
    keys: [keys.eventStream, keys.control],
    args: [args.group, args.consumer, args.count],
  };
}

/** Counts the dead letters. */
export function countDeadLetters(keys: {
    readonly deadLetters: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.countDeadLetters,
    keys: [keys.deadLetters],
    args: [],
  };
}

/** Ends an attempt: it moves the message to the dead letters, and sends the error to a caller that waits. */
export function deadLetter(keys: {
    readonly eventStream: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
    readonly messageQueue: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly held: string;
    /** of the caller, when one waits */
    readonly inbox?: string | undefined;
  }, args: {
    readonly group: string;
    /** id of the entry */
    readonly id: string;
    readonly origin: string;
    /** '' when the message has none */
    readonly orderingKey: string;
    /** whether the messages behind it wait until the letter is retried or removed */
    readonly holdsKey: boolean;
    /** time of the last attempt, ms since 1970 */
    readonly diedAt: number;
    /** JSON of the dead letter */
    readonly letter: string;
    /** whether the script adds the fields of the entry to the letter */
    readonly withFields: boolean;
    /** how many dead letters are kept */
    readonly max: number;
    /** for how long they are kept, ms */
    readonly maxAge: number;
    /** consumer that must own the entry, '' for any */
    readonly consumer: string;
    /** least time since the last renewal of its lease, ms */
    readonly minIdle: number;
    /** whether the origin may be in the message queue */
    readonly isListed: boolean;
    /** JSON array of replies for the inbox */
    readonly replies: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.deadLetter,
    keys: [keys.eventStream, keys.deadLetters, keys.deadLetterBodies, keys.messageQueue, keys.lanes, keys.laneBodies, keys.cancelled, keys.held, ...(keys.inbox === undefined ? [] : [keys.inbox])],
    args: [args.group, args.id, args.origin, args.orderingKey, Number(args.holdsKey), args.diedAt, args.letter, Number(args.withFields), args.max, args.maxAge, args.consumer, args.minIdle, Number(args.isListed), args.replies, args.pushes],
  };
}

/** Reads one dead letter. */
export function getDeadLetter(keys: {
    readonly deadLetterBodies: string;
  }, args: {
    readonly origin: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.getDeadLetter,
    keys: [keys.deadLetterBodies],
    args: [args.origin],
  };
}

/** Reads a page of the dead letters, the newest first. */
export function listDeadLetters(keys: {
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
  }, args: {
    /** time of death of the last letter of the page before, '+inf' to begin */
    readonly from: string;
    /** its origin, '' to begin; the letter may be gone */
    readonly last: string;
    /** how many at the most */
    readonly limit: number;
    /** bytes of JSON after which no further letter is read */
    readonly budget: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.listDeadLetters,
    keys: [keys.deadLetters, keys.deadLetterBodies],
    args: [args.from, args.last, args.limit, args.budget],
  };
}

/** Deletes the dead letter of a message that seemed abandoned and was handled after all. */
export function removeAbandonedLetter(keys: {
    readonly eventStream: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly held: string;
  }, args: {
    readonly origin: string;
    /** beginning of the JSON of such a dead letter */
    readonly beginning: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.removeAbandonedLetter,
    keys: [keys.eventStream, keys.deadLetters, keys.deadLetterBodies, keys.lanes, keys.laneBodies, keys.cancelled, keys.held],
    args: [args.origin, args.beginning],
  };
}

/** Deletes dead letters. */
export function removeDeadLetters(keys: {
    readonly eventStream: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly held: string;
  }, args: {
    readonly origins: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.removeDeadLetters,
    keys: [keys.eventStream, keys.deadLetters, keys.deadLetterBodies, keys.lanes, keys.laneBodies, keys.cancelled, keys.held],
    args: [...args.origins],
  };
}

/**
 * Puts dead letters back into the queue, each as a new message: its attempts start at 1, its time is now, and
 * nobody waits for a reply.
 */
export function revive(keys: {
    readonly eventStream: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly laneIds: string;
    readonly held: string;
  }, args: {
    /** bytes of JSON after which no further letter is put back */
    readonly budget: number;
    readonly origins: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.revive,
    keys: [keys.eventStream, keys.deadLetters, keys.deadLetterBodies, keys.lanes, keys.laneBodies, keys.laneIds, keys.held],
    args: [args.budget, ...args.origins],
  };
}

/** Ends attempts by delaying their messages. */
export function delay(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly lanes: string;
  }, args: {
    readonly group: string;
    /**
     * per attempt. `id` is that of its entry. `ordering_key` is '' when the message has none. `delay` is the
     * time until the next attempt, ms. `fields` is a JSON array of the fields of the next entry, name and
     * value in turn
     */
    readonly attempts: readonly { readonly id: string; readonly origin: string; readonly orderingKey: string; readonly delay: number; readonly fields: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group];
  for (const each of args.attempts) {
    list.push(each.id);
    list.push(each.origin);
    list.push(each.orderingKey);
    list.push(each.delay);
    list.push(each.fields);
  }
  return {
    script: SCRIPTS.delay,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.lanes],
    args: list,
  };
}

/** Puts delayed messages that are due into the queue, the earliest first. */
export function promote(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    /** string with a TTL: counts the calls that make ids */
    readonly laneIds: string;
  }, args: {
    readonly group: string;
    /** how many at the most */
    readonly limit: number;
    /** about how many bytes at the most */
    readonly maxBytes: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.promote,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.lanes, keys.laneBodies, keys.laneIds],
    args: [args.group, args.limit, args.maxBytes],
  };
}

/** Stores a batch of messages that have nothing but their JSON. */
export function enqueue(keys: {
    readonly eventStream: string;
    /** hash: answer_field -> number of the batch, and its answer */
    readonly producer: string;
    /** when a reply is wanted */
    readonly inbox?: string | undefined;
  }, args: {
    /** id of the client that wants the replies, '' when none is wanted */
    readonly client: string;
    /** number of the batch */
    readonly batch: string;
    /** field of the producer hash that remembers the answer */
    readonly answerField: string;
    /** TTL of the producer hash, ms */
    readonly answerTtlMs: string;
    /** time for which the inbox is needed, ms; 0 when no reply is wanted */
    readonly inboxNeeded: number;
    /** JSON of each message */
    readonly messages: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.enqueue,
    keys: [keys.eventStream, keys.producer, ...(keys.inbox === undefined ? [] : [keys.inbox])],
    args: [args.client, args.batch, args.answerField, args.answerTtlMs, args.inboxNeeded, ...args.messages],
  };
}

/** Stores a batch like enqueue. */
export function enqueueWithOptions(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly messageQueue: string;
    readonly leftovers: string;
    readonly responseStream: string;
    /** of this client */
    readonly inbox: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly laneIds: string;
    /** hash: answer_field -> number of the batch, and its answer */
    readonly producer: string;
    /** the records of deduplication keys: string (event) or hash (request) */
    readonly records: readonly string[];
  }, args: {
    readonly group: string;
    /** id of the client that wants the replies */
    readonly client: string;
    /** how many messages the queue may hold, 0 for any number */
    readonly maxLength: number;
    /** whether legacy consumers read the queue too */
    readonly legacyConsumers: boolean;
    /** how much longer than its timeout an entry is kept for them, ms */
    readonly keptLonger: number;
    /**
     * number of the batch with ordering keys that must be stored before this one: 0 when none must be, -1
     * when no message of this batch has an ordering key
     */
    readonly after: number;
    /** number of the batch */
    readonly batch: string;
    /** field of the producer hash that remembers the answer */
    readonly answerField: string;
    /** TTL of the producer hash, ms */
    readonly answerTtlMs: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
    /** time for which the inbox is needed, ms; 0 when no reply is wanted */
    readonly inboxNeeded: number;
    /**
     * per event. `reply_to` is the client, '' for an event without a reply. `fields` are further fields, name
     * and value in turn; the ordering key is the first. `options` is JSON, '' for none of these: delay: ms, 0
     * for a message that is due now; record: number of its record among the records, 0 without a
     * deduplication key; window: of the deduplication key, ms; wait: for how long the caller waits, ms, 0 for
     * an event without a reply; request: uuid of the request, '' for an event without a reply
     */
    readonly events: readonly { readonly json: string; readonly replyTo: string; readonly options: string; readonly fields: readonly string[] }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, args.client, args.maxLength, Number(args.legacyConsumers), args.keptLonger, args.after, args.batch, args.answerField, args.answerTtlMs, args.pushes, args.inboxNeeded];
  for (const each of args.events) {
    list.push(each.json);
    list.push(each.replyTo);
    list.push(each.options);
    list.push(each.fields.length);
    for (const value of each.fields) list.push(value);
  }
  return {
    script: SCRIPTS.enqueueWithOptions,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.messageQueue, keys.leftovers, keys.responseStream, keys.inbox, keys.lanes, keys.laneBodies, keys.laneIds, keys.producer, ...keys.records],
    args: list,
  };
}

/**
 * Finishes an attempt at an event of a legacy client, and answers in the form that a legacy client reads.
 */
export function answerLegacy(keys: {
    readonly eventStream: string;
    readonly messageQueue: string;
    readonly responseStream: string;
  }, args: {
    readonly group: string;
    /** id of the entry */
    readonly id: string;
    /** id that its producer pushed to the message queue, '' when it is not there any more */
    readonly listed: string;
    /** hyphenated request uuid */
    readonly request: string;
    /** JSON of the response, '' when none is due */
    readonly response: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.answerLegacy,
    keys: [keys.eventStream, keys.messageQueue, keys.responseStream],
    args: [args.group, args.id, args.listed, args.request, args.response],
  };
}

/** Decides whether this worker or a legacy consumer has an entry. */
export function arbitrate(keys: {
    readonly eventStream: string;
    readonly messageQueue: string;
    readonly leftovers: string;
  }, args: {
    readonly group: string;
    readonly consumer: string;
    /**
     * per entry. `deletable` is the time from which it can be deleted, ms, when a legacy consumer has it; ''
     * to only look.
     */
    readonly entries: readonly { readonly id: string; readonly deletable: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, args.consumer];
  for (const each of args.entries) {
    list.push(each.id);
    list.push(each.deletable);
  }
  return {
    script: SCRIPTS.arbitrate,
    keys: [keys.eventStream, keys.messageQueue, keys.leftovers],
    args: list,
  };
}

/** Looks at the entries that are older than the group, a page a call. */
export function cleanHistory(keys: {
    readonly eventStream: string;
    readonly history: string;
    readonly leftovers: string;
    readonly lanes: string;
  }, args: {
    readonly group: string;
    /** how much longer than its timeout an entry is kept, ms */
    readonly keptLonger: number;
    /** how many entries at the most */
    readonly limit: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.cleanHistory,
    keys: [keys.eventStream, keys.history, keys.leftovers, keys.lanes],
    args: [args.group, args.keptLonger, args.limit],
  };
}

/** Deletes entries that are left to legacy clients, when their time has passed. */
export function cleanLeftovers(keys: {
    readonly eventStream: string;
    readonly responseStream: string;
    readonly messageQueue: string;
    readonly leftovers: string;
  }, args: {
    readonly group: string;
    /** how many entries at the most */
    readonly limit: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.cleanLeftovers,
    keys: [keys.eventStream, keys.responseStream, keys.messageQueue, keys.leftovers],
    args: [args.group, args.limit],
  };
}

/** Looks at a page of the message queue, from its tail on, for ids that no worker finds by itself. */
export function cleanList(keys: {
    readonly eventStream: string;
    readonly messageQueue: string;
    readonly leftovers: string;
  }, args: {
    readonly group: string;
    /** how many ids at the tail are skipped */
    readonly skip: number;
    /** how many ids to look at, at the most */
    readonly limit: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.cleanList,
    keys: [keys.eventStream, keys.messageQueue, keys.leftovers],
    args: [args.group, args.skip, args.limit],
  };
}

/** Deletes legacy responses that nobody waits for any more, a page of the index a call. */
export function cleanResponses(keys: {
    readonly eventStream: string;
    readonly responseStream: string;
  }, args: {
    readonly group: string;
    /** how much longer than its timeout an entry is kept, ms */
    readonly keptLonger: number;
    /** first id of the page in the index */
    readonly from: string;
    /** how many at the most */
    readonly limit: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.cleanResponses,
    keys: [keys.eventStream, keys.responseStream],
    args: [args.group, args.keptLonger, args.from, args.limit],
  };
}

/** Acknowledges an entry and leaves it in the stream: it is a response that a legacy client reads. */
export function skip(keys: {
    readonly eventStream: string;
    readonly leftovers: string;
  }, args: {
    readonly group: string;
    /** id of the entry */
    readonly id: string;
    /** when it can be deleted, ms since 1970 */
    readonly deletable: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.skip,
    keys: [keys.eventStream, keys.leftovers],
    args: [args.group, args.id, args.deletable],
  };
}

/** Forgets messages that were on their way, and that the other queue has stored. */
export function endMove(keys: {
    readonly moving: string;
  }, args: {
    readonly ids: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.endMove,
    keys: [keys.moving],
    args: [...args.ids],
  };
}

/** Reads messages that are on their way to one other queue, in order, and writes nothing. */
export function readMoving(keys: {
    readonly moving: string;
  }, args: {
    /** name of the other queue */
    readonly to: string;
    /** id of the last message that was looked at, '' to begin */
    readonly seen: string;
    /** how many messages to look at */
    readonly limit: number;
    /** bytes after which no further message is read */
    readonly budget: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.readMoving,
    keys: [keys.moving],
    args: [args.to, args.seen, args.limit, args.budget],
  };
}

/**
 * Takes messages out of the queue that nobody handles, and keeps them in the stream `moving`: they are on
 * their way to another queue.
 */
export function startMove(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly deadLetters: string;
    readonly deadLetterBodies: string;
    readonly messageQueue: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly held: string;
    readonly moving: string;
  }, args: {
    readonly group: string;
    /** name of the other queue */
    readonly to: string;
    /** id of the last message from here that the other queue has got, '0-0' for none */
    readonly floor: string;
    /** bytes after which no further message is taken out */
    readonly budget: number;
    /**
     * per message. `id` is that of its entry for a waiting message, of its origin for another one.
     * `ordering_key` is that of a message that waits behind others, else ''.
     */
    readonly messages: readonly { readonly id: string; readonly orderingKey: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, args.to, args.floor, args.budget];
  for (const each of args.messages) {
    list.push(each.id);
    list.push(each.orderingKey);
  }
  return {
    script: SCRIPTS.startMove,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.deadLetters, keys.deadLetterBodies, keys.messageQueue, keys.lanes, keys.laneBodies, keys.cancelled, keys.held, keys.moving],
    args: list,
  };
}

/** Stores messages that are on their way from another queue, each once. */
export function storeMoved(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly laneIds: string;
    /** hash: name of a queue -> id of the last message from there */
    readonly arrived: string;
  }, args: {
    /** name of the other queue */
    readonly from: string;
    /**
     * per message. `id` is that of its entry in `moving` of the other queue. `due_at` is when it is due in
     * ms, '' for now.
     */
    readonly messages: readonly { readonly id: string; readonly dueAt: string; readonly fields: readonly string[] }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.from];
  for (const each of args.messages) {
    list.push(each.id);
    list.push(each.dueAt);
    list.push(each.fields.length);
    for (const value of each.fields) list.push(value);
  }
  return {
    script: SCRIPTS.storeMoved,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.lanes, keys.laneBodies, keys.laneIds, keys.arrived],
    args: list,
  };
}

/** Registers the number of partitions of a queue or a topic, unless one is registered. */
export function registerPartitions(keys: {
    /** of the queue, or the key of a topic for the same */
    readonly partitions: string;
    /** of the queue, or of each subscription of the topic */
    readonly lanes: readonly string[];
  }, args: {
    /** 0 to register nothing */
    readonly count: number;
    /** another partition has this number, so this one has lost it */
    readonly isKnown: boolean;
  }): ScriptCall {
  return {
    script: SCRIPTS.registerPartitions,
    keys: [keys.partitions, ...keys.lanes],
    args: [args.count, Number(args.isKnown)],
  };
}

/**
 * Adds what a process has counted to the rates of the queue: to the minute that it is now on the clock of
 * Redis.
 */
export function countRates(keys: {
    readonly eventStream: string;
    readonly rates: string;
  }, args: {
    /** messages */
    readonly stored: number;
    readonly handled: number;
    readonly retried: number;
    readonly dead: number;
    readonly expired: number;
    /** time until handled of the handled messages together, ms */
    readonly total: number;
    /** the longest of these times, ms */
    readonly longest: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.countRates,
    keys: [keys.eventStream, keys.rates],
    args: [args.stored, args.handled, args.retried, args.dead, args.expired, args.total, args.longest],
  };
}

/** Reads the rates of some minutes. */
export function readRates(keys: {
    readonly rates: string;
  }, args: {
    /** the first minute since 1970, or 0: `count` minutes up to the last one */
    readonly first: number;
    /** the last minute since 1970, or 0: the minute now */
    readonly last: number;
    /** how many minutes at the most, 1 to 2880 */
    readonly count: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.readRates,
    keys: [keys.rates],
    args: [args.first, args.last, args.count],
  };
}

/** Looks at lanes whose head has not changed for some time. */
export function healLanes(keys: {
    readonly eventStream: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly delayed: string;
    readonly deadLetters: string;
    readonly held: string;
  }, args: {
    readonly group: string;
    /**
     * per lane. `text` is the lane as it was seen. A lane is left alone when its head, or the entry of the
     * head, has changed since.
     */
    readonly suspects: readonly { readonly key: string; readonly text: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group];
  for (const each of args.suspects) {
    list.push(each.key);
    list.push(each.text);
  }
  return {
    script: SCRIPTS.healLanes,
    keys: [keys.eventStream, keys.lanes, keys.laneBodies, keys.cancelled, keys.delayed, keys.deadLetters, keys.held],
    args: list,
  };
}

/** Makes the consumer group, unless it is there. */
export function joinGroup(keys: {
    readonly eventStream: string;
    readonly messageQueue: string;
    readonly history: string;
  }, args: {
    readonly group: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.joinGroup,
    keys: [keys.eventStream, keys.messageQueue, keys.history],
    args: [args.group],
  };
}

/** Deletes a consumer from the group, unless it has pending entries. */
export function leaveGroup(keys: {
    readonly eventStream: string;
  }, args: {
    readonly group: string;
    readonly consumer: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.leaveGroup,
    keys: [keys.eventStream],
    args: [args.group, args.consumer],
  };
}

/**
 * Looks for messages that wait behind an ordering key and that its lane does not know, because somebody
 * deleted lanes by hand.
 */
export function rebuildLanes(keys: {
    readonly lanes: string;
    readonly laneBodies: string;
  }, args: {
    /** of the step before, '0' at first */
    readonly cursor: string;
    /** of messages to look at, about */
    readonly count: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.rebuildLanes,
    keys: [keys.lanes, keys.laneBodies],
    args: [args.cursor, args.count],
  };
}

/** Renews the leases of entries that the consumer still owns: XCLAIM sets their idle time to 0. */
export function renew(keys: {
    readonly eventStream: string;
  }, args: {
    readonly group: string;
    readonly consumer: string;
    /** ids of the entries */
    readonly ids: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.renew,
    keys: [keys.eventStream],
    args: [args.group, args.consumer, ...args.ids],
  };
}

/** Puts entries back into the queue as new entries, so that a waiting reader wakes up. */
export function requeue(keys: {
    readonly eventStream: string;
    readonly messageQueue: string;
    readonly leftovers: string;
    readonly lanes: string;
  }, args: {
    readonly group: string;
    /** how many abandoned attempts to add */
    readonly attempts: number;
    /** consumer that must own the entries, '' for any */
    readonly consumer: string;
    /** least time since the last renewal of their lease, ms */
    readonly minIdle: number;
    /** up to which id legacy consumers may take events of legacy producers, '+' for all, '' for none */
    readonly legacyLimit: string;
    /** how much longer than its timeout an entry is kept, ms */
    readonly keptLonger: number;
    /** of the attempt that is added: what its worker has met, '' for nothing */
    readonly errorName: string;
    readonly errorMessage: string;
    /** ids of the entries */
    readonly ids: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.requeue,
    keys: [keys.eventStream, keys.messageQueue, keys.leftovers, keys.lanes],
    args: [args.group, args.attempts, args.consumer, args.minIdle, args.legacyLimit, args.keptLonger, args.errorName, args.errorMessage, ...args.ids],
  };
}

/** Cancels requests. */
export function cancel(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly cancelled: string;
    readonly messageQueue: string;
    readonly lanes: string;
    readonly laneBodies: string;
  }, args: {
    readonly group: string;
    /** whether legacy consumers may take the requests */
    readonly legacyConsumers: boolean;
    /** per request. `ordering_key` is '' when the request has none. `deadline` is in ms since 1970. */
    readonly requests: readonly { readonly id: string; readonly orderingKey: string; readonly deadline: number }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, Number(args.legacyConsumers)];
  for (const each of args.requests) {
    list.push(each.id);
    list.push(each.orderingKey);
    list.push(each.deadline);
  }
  return {
    script: SCRIPTS.cancel,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.cancelled, keys.messageQueue, keys.lanes, keys.laneBodies],
    args: list,
  };
}

/** Removes a caller that does not wait any more from a deduplicated request. */
export function leaveRequest(keys: {
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    /** record of the key, hash */
    readonly record: string;
  }, args: {
    readonly group: string;
    readonly origin: string;
    /**
     * that of the caller, '' when it has none. It counts for a record of an earlier version, which does not
     * have the one of the request
     */
    readonly orderingKey: string;
    /** when the request expires for the caller, ms since 1970 */
    readonly deadline: number;
    /** client and request uuid of the caller, joined by a blank */
    readonly waiter: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.leaveRequest,
    keys: [keys.eventStream, keys.delayed, keys.delayedBodies, keys.lanes, keys.laneBodies, keys.cancelled, keys.record],
    args: [args.group, args.origin, args.orderingKey, args.deadline, args.waiter],
  };
}

/** Reads and deletes the marks of cancelled requests, for the worker that runs them. */
export function takeCancelled(keys: {
    readonly cancelled: string;
  }, args: {
    readonly origins: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.takeCancelled,
    keys: [keys.cancelled],
    args: [...args.origins],
  };
}

/** Declares a schedule. */
export function declareSchedule(keys: {
    readonly eventStream: string;
    readonly schedules: string;
    readonly schedulesDue: string;
  }, args: {
    readonly name: string;
    /** JSON */
    readonly definition: string;
    /** its first occurrence after the time of Redis that the caller has read, ms since 1970 */
    readonly nextDue: number;
    /** the schedule had been declared before: it stays away when somebody has removed it */
    readonly isLost: boolean;
  }): ScriptCall {
  return {
    script: SCRIPTS.declareSchedule,
    keys: [keys.eventStream, keys.schedules, keys.schedulesDue],
    args: [args.name, args.definition, args.nextDue, Number(args.isLost)],
  };
}

/** Reads the schedules of a queue. */
export function readSchedules(keys: {
    readonly schedules: string;
    readonly schedulesDue: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.readSchedules,
    keys: [keys.schedules, keys.schedulesDue],
    args: [],
  };
}

/** Removes a schedule. */
export function removeSchedule(keys: {
    readonly schedules: string;
    readonly schedulesDue: string;
  }, args: {
    readonly name: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.removeSchedule,
    keys: [keys.schedules, keys.schedulesDue],
    args: [args.name],
  };
}

/** Stores the events of a schedule that is due, and notes its next occurrence. */
export function runSchedule(keys: {
    readonly eventStream: string;
    readonly schedules: string;
    readonly schedulesDue: string;
  }, args: {
    readonly name: string;
    /** as it was read */
    readonly definition: string;
    /** its occurrence as it was read, ms since 1970 */
    readonly due: number;
    /** the next one; 0 when there is none */
    readonly nextDue: number;
    /** per event. both are JSON */
    readonly events: readonly { readonly event: string; readonly headers: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.name, args.definition, args.due, args.nextDue];
  for (const each of args.events) {
    list.push(each.event);
    list.push(each.headers);
  }
  return {
    script: SCRIPTS.runSchedule,
    keys: [keys.eventStream, keys.schedules, keys.schedulesDue],
    args: list,
  };
}

/** Stores replies of attempts that are not finished, if their worker still owns the entry. */
export function answerInPart(keys: {
    readonly eventStream: string;
    readonly inboxes: readonly string[];
  }, args: {
    readonly group: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
    /**
     * per attempt. `inbox` is the number of its inbox among the inboxes, or 0. `replies` are JSON values
     * joined by commas.
     */
    readonly attempts: readonly { readonly id: string; readonly consumer: string; readonly inbox: number; readonly replies: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, args.pushes];
  for (const each of args.attempts) {
    list.push(each.id);
    list.push(each.consumer);
    list.push(each.inbox);
    list.push(each.replies);
  }
  return {
    script: SCRIPTS.answerInPart,
    keys: [keys.eventStream, ...keys.inboxes],
    args: list,
  };
}

/** Puts one reply into the inbox of a client, unless the client is gone. */
export function reply(keys: {
    readonly inbox: string;
  }, args: {
    /** JSON array of replies */
    readonly replies: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.reply,
    keys: [keys.inbox],
    args: [args.replies, args.pushes],
  };
}

/** Writes a legacy response: its body into the event stream, and the id of the body into the index. */
export function respond(keys: {
    readonly eventStream: string;
    readonly responseStream: string;
  }, args: {
    /** hyphenated request uuid */
    readonly request: string;
    /** JSON of the response */
    readonly response: string;
  }): ScriptCall {
  return {
    script: SCRIPTS.respond,
    keys: [keys.eventStream, keys.responseStream],
    args: [args.request, args.response],
  };
}

/** Finishes attempts and stores their last replies. */
export function settle(keys: {
    readonly eventStream: string;
    readonly inboxes: readonly string[];
  }, args: {
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
    readonly group: string;
    /** id of the first entry, when the entries are a contiguous range of the stream; else '' */
    readonly first: string;
    /** least id after the last entry of that range; else '' */
    readonly stop: string;
    /**
     * per inbox. `inbox` is its number among the inboxes, 0 when there are no replies. `replies` is a JSON
     * array with a line for each attempt, '' when there are none. `ids` are the entries.
     */
    readonly inboxSettlements: readonly { readonly inbox: number; readonly replies: string; readonly ids: readonly string[] }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.pushes, args.group, args.first, args.stop];
  for (const each of args.inboxSettlements) {
    list.push(each.inbox);
    list.push(each.replies);
    list.push(each.ids.length);
    for (const value of each.ids) list.push(value);
  }
  return {
    script: SCRIPTS.settle,
    keys: [keys.eventStream, ...keys.inboxes],
    args: list,
  };
}

/**
 * Stores replies of an attempt at a deduplicated request: for all callers that wait, and in the record of the
 * key, for callers that come later.
 */
export function settleDeduplicated(keys: {
    readonly eventStream: string;
    /** record of the key, hash */
    readonly record: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly inboxes: readonly string[];
  }, args: {
    readonly group: string;
    /** id of the entry */
    readonly id: string;
    readonly origin: string;
    /** '' when the message has none */
    readonly orderingKey: string;
    /** consumer that must own the entry, '' for any; only for 'part' and 'failed' */
    readonly consumer: string;
    /** least time since the last renewal of its lease, ms; only for 'part' and 'failed' */
    readonly minIdle: number;
    /**
     * 'part' (the attempt goes on), 'end', 'failed' (the entry stays, for the dead letters), 'expired' (the
     * key is free again) or 'response' (there is no entry any more)
     */
    readonly how: string;
    /** callers that wait: client and request uuid in turn, joined by blanks */
    readonly waiters: string;
    /** caller that waits when there is no record */
    readonly requester: string;
    /** per caller: number of the inbox among the inboxes or 0, joined by blanks */
    readonly inboxNumbers: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
    /** JSON, each without its beginning, '["UUID",' */
    readonly replies: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.settleDeduplicated,
    keys: [keys.eventStream, keys.record, keys.lanes, keys.laneBodies, keys.cancelled, ...keys.inboxes],
    args: [args.group, args.id, args.origin, args.orderingKey, args.consumer, args.minIdle, args.how, args.waiters, args.requester, args.inboxNumbers, args.pushes, ...args.replies],
  };
}

/**
 * Finishes attempts at deduplicated requests with their last replies, as settle_deduplicated does with 'end'.
 */
export function settleDeduplicatedBatch(keys: {
    readonly eventStream: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    /** the records of the keys, and the inboxes of the callers */
    readonly addresses: readonly string[];
  }, args: {
    readonly group: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
    /**
     * per attempt. `record` is its number among the addresses. `waiters` are the callers that wait: client
     * and request uuid in turn, joined by blanks. `requester` waits when there is no record. `inbox_numbers`
     * are, per caller, the number of the inbox among the addresses or 0, joined by blanks. `replies` are JSON
     * without their beginning, '["UUID",', one a line.
     */
    readonly attempts: readonly { readonly id: string; readonly origin: string; readonly orderingKey: string; readonly record: number; readonly waiters: string; readonly requester: string; readonly inboxNumbers: string; readonly replies: string }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, args.pushes];
  for (const each of args.attempts) {
    list.push(each.id);
    list.push(each.origin);
    list.push(each.orderingKey);
    list.push(each.record);
    list.push(each.waiters);
    list.push(each.requester);
    list.push(each.inboxNumbers);
    list.push(each.replies);
  }
  return {
    script: SCRIPTS.settleDeduplicatedBatch,
    keys: [keys.eventStream, keys.lanes, keys.laneBodies, keys.cancelled, ...keys.addresses],
    args: list,
  };
}

/** Finishes attempts like settle, and lets the next message of each ordering key go on. */
export function settleKeyed(keys: {
    readonly eventStream: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    readonly inboxes: readonly string[];
  }, args: {
    readonly group: string;
    /** as in settle */
    readonly first: string;
    readonly stop: string;
    /** JSON array of the attempts with an ordering key: id, key and origin of each in turn */
    readonly keyed: string;
    /** by what replies are pushed: publish, spublish (the form for Redis Cluster), '' for not */
    readonly pushes: string;
    /** per inbox. */
    readonly inboxSettlements: readonly { readonly inbox: number; readonly replies: string; readonly ids: readonly string[] }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.group, args.first, args.stop, args.keyed, args.pushes];
  for (const each of args.inboxSettlements) {
    list.push(each.inbox);
    list.push(each.replies);
    list.push(each.ids.length);
    for (const value of each.ids) list.push(value);
  }
  return {
    script: SCRIPTS.settleKeyed,
    keys: [keys.eventStream, keys.lanes, keys.laneBodies, keys.cancelled, ...keys.inboxes],
    args: list,
  };
}

/** Publishes a batch of events that have nothing but their JSON and further fields. */
export function publish(keys: {
    /** hash: answer_field -> number of the batch, and its answer */
    readonly producer: string;
    /** hash: the table of the topic */
    readonly subscriptions: string;
    /** hash: count, action, time */
    readonly unrouted: string;
    /** of the subscriptions that get an event of the batch */
    readonly eventStreams: readonly string[];
  }, args: {
    /** number of the batch */
    readonly batch: string;
    /** field of the producer hash that remembers the answer */
    readonly answerField: string;
    /** TTL of the producer hash, ms */
    readonly answerTtlMs: string;
    /** of the table by which the routes were computed, '' when there was none */
    readonly version: string;
    /** events of this batch without a subscription */
    readonly unroutedCount: number;
    /** of the last of them */
    readonly unroutedAction: string;
    /**
     * per group. a group has events that follow each other, with the same routes and as many fields. `routes`
     * are the numbers of its event streams, joined by blanks. `texts` are the JSON of each event and its
     * further fields, name and value in turn
     */
    readonly groups: readonly { readonly routes: string; readonly textsPerEvent: number; readonly texts: readonly string[] }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.batch, args.answerField, args.answerTtlMs, args.version, args.unroutedCount, args.unroutedAction];
  for (const each of args.groups) {
    list.push(each.routes);
    list.push(each.textsPerEvent);
    list.push(each.texts.length);
    for (const value of each.texts) list.push(value);
  }
  return {
    script: SCRIPTS.publish,
    keys: [keys.producer, keys.subscriptions, keys.unrouted, ...keys.eventStreams],
    args: list,
  };
}

/** Publishes a batch like publish. */
export function publishWithOptions(keys: {
    /** hash: answer_field -> number of the batch, and its answer */
    readonly producer: string;
    /** hash: the table of the topic */
    readonly subscriptions: string;
    /** hash: count, action, time */
    readonly unrouted: string;
    readonly eventStream: string;
    readonly delayed: string;
    readonly delayedBodies: string;
    /** string with a TTL: counts the calls that make ids */
    readonly laneIds: string;
    /** hash: 'NUMBER KEY' -> fields of a message that waits, packed by cmsgpack */
    readonly laneBodies: string;
    /** hash: ordering key -> its lane */
    readonly lanes: string;
    /**
     * of each subscription that gets an event of the batch: event_stream, delayed, delayed_bodies, lanes,
     * lane_bodies. After them the records of deduplication keys
     */
    readonly queueKeys: readonly string[];
  }, args: {
    /** number of the batch */
    readonly batch: string;
    /** field of the producer hash that remembers the answer */
    readonly answerField: string;
    /** TTL of the producer hash, ms */
    readonly answerTtlMs: string;
    /** of the table by which the routes were computed, '' when there was none */
    readonly version: string;
    /** events of this batch without a subscription */
    readonly unroutedCount: number;
    /** of the last of them */
    readonly unroutedAction: string;
    /**
     * per event. `routes` are the numbers of its subscriptions, joined by blanks. `delay` is in ms, 0 for an
     * event that is due now. `record` is the index of its record among the keys, 0 without a deduplication
     * key, and `window` is for how long it is known, ms. `fields` are further fields, name and value in turn;
     * the ordering key is the first
     */
    readonly events: readonly { readonly json: string; readonly routes: string; readonly delay: number; readonly record: number; readonly window: number; readonly fields: readonly string[] }[];
  }): ScriptCall {
  const list: (string | number)[] = [args.batch, args.answerField, args.answerTtlMs, args.version, args.unroutedCount, args.unroutedAction];
  for (const each of args.events) {
    list.push(each.json);
    list.push(each.routes);
    list.push(each.delay);
    list.push(each.record);
    list.push(each.window);
    list.push(each.fields.length);
    for (const value of each.fields) list.push(value);
  }
  return {
    script: SCRIPTS.publishWithOptions,
    keys: [keys.producer, keys.subscriptions, keys.unrouted, keys.eventStream, keys.delayed, keys.delayedBodies, keys.laneIds, keys.laneBodies, keys.lanes, ...keys.queueKeys],
    args: list,
  };
}

/** Reads the busy lanes in which messages wait. */
export function readBusyLanes(keys: {
    readonly eventStream: string;
    readonly lanes: string;
  }, args: {
    readonly group: string;
    /** of the step before, '0' at first */
    readonly cursor: string;
    /** of lanes to look at, about */
    readonly count: number;
  }): ScriptCall {
  return {
    script: SCRIPTS.readBusyLanes,
    keys: [keys.eventStream, keys.lanes],
    args: [args.group, args.cursor, args.count],
  };
}

/** Adds a subscription to the table of its topic, or changes it, and makes the group of its queue. */
export function subscribe(keys: {
    /** hash: the table of the topic */
    readonly subscriptions: string;
    /** of the subscription */
    readonly eventStream: string;
  }, args: {
    readonly group: string;
    /** of the subscription */
    readonly name: string;
    /** its description in the table until now, '' when it has none */
    readonly expected: string;
    /** the new one, JSON; the same as `expected` changes nothing in the table */
    readonly description: string;
    /** a random word that the table has never had */
    readonly version: string;
    /** how many subscriptions a topic can have */
    readonly limit: number;
    /** whether a subscription that was removed may come back */
    readonly mayReturn: boolean;
  }): ScriptCall {
  return {
    script: SCRIPTS.subscribe,
    keys: [keys.subscriptions, keys.eventStream],
    args: [args.group, args.name, args.expected, args.description, args.version, args.limit, Number(args.mayReturn)],
  };
}

/**
 * Deletes what has waited longest in the queue of a subscription, beyond its retention: entries of the
 * stream, and the first messages of busy lanes.
 */
export function trimWaiting(keys: {
    readonly eventStream: string;
    readonly lanes: string;
    readonly laneBodies: string;
    readonly cancelled: string;
    /** hash: subscription -> number of messages that retention has deleted */
    readonly trimmed: string;
  }, args: {
    readonly group: string;
    /** of the subscription */
    readonly name: string;
    /** how many messages are kept */
    readonly max: number;
    /** for how long a message may wait, ms */
    readonly maxAge: number;
    /** how many entries are looked at, and how many messages are deleted */
    readonly limit: number;
    /** bytes after which no further message is read or deleted */
    readonly budget: number;
    /**
     * how many messages wait in busy lanes that are for later calls. Because of these, nothing is deleted
     * from the stream
     */
    readonly spared: number;
    /** of busy lanes whose messages may be deleted */
    readonly keys: readonly string[];
  }): ScriptCall {
  return {
    script: SCRIPTS.trimWaiting,
    keys: [keys.eventStream, keys.lanes, keys.laneBodies, keys.cancelled, keys.trimmed],
    args: [args.group, args.name, args.max, args.maxAge, args.limit, args.budget, args.spared, ...args.keys],
  };
}

/** Removes a subscription from its topic, and deletes its queue with all its messages. */
export function unsubscribe(keys: {
    /** hash: the table of the topic */
    readonly subscriptions: string;
    /** hash: subscription -> number of messages that retention has deleted */
    readonly trimmed: string;
    /** all keys of the queue that have a fixed name */
    readonly queueKeys: readonly string[];
  }, args: {
    /** of the subscription */
    readonly name: string;
    /** a random word that the table has never had */
    readonly version: string;
    /** its description: with another one, or none, nothing is removed */
    readonly expected?: string | undefined;
  }): ScriptCall {
  return {
    script: SCRIPTS.unsubscribe,
    keys: [keys.subscriptions, keys.trimmed, ...keys.queueKeys],
    args: [args.name, args.version, ...(args.expected === undefined ? [] : [args.expected])],
  };
}
