-- One window of requests, tokens and slots, and the parts of it that processes have leave for.
-- KEYS: the window, the processes that live.
-- ARGV: who asks, milliseconds of a window, the window its counts are of (0: none), milliseconds after which a silent
-- process is lost, milliseconds to keep the window, parts that what is left is divided into;
-- then for requests (r), tokens (t) and slots (p): limit (-1: none), used, held, needed, least, wished besides.
-- Gives: the window, milliseconds to its end, leave for r t p, what others hold of r t p.
local me, length, mine = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lives = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now - tonumber(ARGV[4]), '+inf')) do
  lives[id] = true
end
local began, parts = 0, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] == 'w' then began = tonumber(all[i + 1]) else parts[all[i]] = tonumber(all[i + 1]) end
end
local whole = function(number) return string.format('%.0f', number) end
local rows, asks, counts = {}, false, false
for i, name in ipairs({'r', 't', 'p'}) do
  local row = {name = name}
  for j, field in ipairs({'limit', 'used', 'held', 'need', 'least', 'more'}) do
    row[field] = tonumber(ARGV[6 * i + j])
  end
  if row.limit >= 0 then
    asks = asks or row.need > 0
    counts = counts or (name ~= 'p' and row.held > 0)
  end
  rows[i] = row
end
if began == 0 or now - began >= length or began - now >= length then
  for name in pairs(parts) do
    if string.sub(name, 1, 1) ~= 'p' then
      redis.call('HDEL', KEYS[1], name)
      parts[name] = nil
    end
  end
  began = 0
  if mine > 0 and mine <= now and now - mine < length then
    began = mine
  elseif asks or (mine == 0 and counts) then
    began = now
  end
  if began == 0 then redis.call('HDEL', KEYS[1], 'w') else redis.call('HSET', KEYS[1], 'w', whole(began)) end
end
local is_this = began > 0 and (mine == 0 or mine == began)
local granted, others = {}, {}
for i, row in ipairs(rows) do
  local foreign, total = 0, 0
  if row.limit >= 0 then
    local field = row.name .. ':' .. me
    for name, part in pairs(parts) do
      if string.sub(name, 1, 2) == row.name .. ':' and name ~= field then
        if row.name == 'p' and not lives[string.sub(name, 3)] then
          redis.call('HDEL', KEYS[1], name)
        else
          foreign = foreign + part
        end
      end
    end
    local held, used = row.held, row.used
    if row.name ~= 'p' and not is_this then held, used = 0, 0 end
    local part = 0
    if row.need > 0 then
      local free = math.max(row.limit - foreign - held, 0)
      -- What is not enough for one call would be kept from others for nothing.
      if free >= row.least then part = math.min(row.need, free) end
      -- A call that is larger than the limit goes alone.
      if row.name == 't' and row.limit > 0 and foreign + used == 0 then part = math.max(part, row.least) end
      if part >= row.need then
        part = part + math.min(row.more, math.floor(math.max(free - part, 0) / tonumber(ARGV[6])))
      end
    end
    total = held + part
    if total > 0 then
      redis.call('HSET', KEYS[1], field, whole(total))
    elseif parts[field] then
      redis.call('HDEL', KEYS[1], field)
    end
  end
  granted[i], others[i] = total, foreign
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
local ends = 0
if began > 0 then ends = began + length - now end
return {began, ends, granted[1], granted[2], granted[3], others[1], others[2], others[3]}
