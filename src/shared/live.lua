-- Says that a process lives. KEYS: the processes that live. ARGV: which, milliseconds after which a silent one is lost.
-- Gives: whether it was lost, or is new (1), and how many live.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[2]))
local is_new = redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[2])
return {is_new, redis.call('ZCARD', KEYS[1])}
