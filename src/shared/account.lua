-- One account of a period, and the parts of its budget that processes have leave for; in pico-dollars.
-- KEYS: the account, the processes that live.
-- ARGV: who asks, what the database had, whether that was set back (1), spent and not in the database, used, held, the
-- budget (-1: none), whether it is used up when all is spent (1) or more than all (0), needed, least, wished besides,
-- parts that what is left is divided into, milliseconds after which a silent process is lost, milliseconds to keep it.
-- Gives: what the database has, what others spent besides, what others hold, leave.
local me, base = ARGV[1], tonumber(ARGV[2])
local pending, used, held = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local max, need, least, more = tonumber(ARGV[7]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lives = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now - tonumber(ARGV[13]), '+inf')) do
  lives[id] = true
end
local whole = function(number) return string.format('%.0f', number) end
local spent, foreign, known = 0, 0, nil
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local name, kind, id = all[i], string.sub(all[i], 1, 2), string.sub(all[i], 3)
  if name == 'b' then
    known = tonumber(all[i + 1])
  elseif id ~= me then
    if not lives[id] then
      redis.call('HDEL', KEYS[1], name)
    elseif kind == 's:' then
      spent = spent + tonumber(all[i + 1])
    else
      foreign = foreign + tonumber(all[i + 1])
    end
  end
end
if known and known > base and ARGV[3] ~= '1' then base = known end
redis.call('HSET', KEYS[1], 'b', whole(base))
local part = 0
if max >= 0 and need > 0 then
  local gone = base + pending + spent
  local open = max > 0 and (gone < max or (ARGV[8] ~= '1' and gone == max))
  local free = math.max(max - base - held - foreign, 0)
  if open then
    -- What is not enough for one call would be kept from others for nothing.
    if free >= least then part = math.min(need, free) end
    -- An estimate that is too high cannot close a budget on which nothing is under way.
    if used - pending == 0 and foreign - spent == 0 then part = math.max(part, least) end
    if part >= need then
      part = part + math.min(more, math.floor(math.max(free - part, 0) / tonumber(ARGV[12])))
    end
  end
end
local total = held + part
if total > 0 then
  redis.call('HSET', KEYS[1], 'g:' .. me, whole(total), 's:' .. me, whole(pending))
else
  redis.call('HDEL', KEYS[1], 'g:' .. me, 's:' .. me)
end
redis.call('PEXPIRE', KEYS[1], ARGV[14])
return {whole(base), whole(spent), whole(foreign), whole(total)}
