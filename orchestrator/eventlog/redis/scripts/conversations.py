"""What Redis does to conversations, and to what is known of forgotten runs, in one atomic step. Owns no connection.

ARGV as `runs` has it.
"""

from __future__ import annotations

from .runs import FREES, READS, run_script

ADD_TURN = run_script(
    "#!lua",
    """
-- KEYS: turns. ARGV: P, word + turn, how many to keep, conversation, agent, for how long (ms) or 0, how many bytes
-- of them or -1.
-- The word tells a turn that arrives twice.
local grown = 0
if redis.call('LINDEX', KEYS[1], -1) ~= ARGV[2] then
  redis.call('RPUSH', KEYS[1], ARGV[2])
  grown = #ARGV[2]
end
for _, void in ipairs(redis.call('LRANGE', KEYS[1], 0, -tonumber(ARGV[3]) - 1)) do grown = grown - #void end
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[3]), -1)
local most = tonumber(ARGV[7])
-- All turns of the conversation together are counted already, so mostly nothing has to be looked at.
if most >= 0 and tonumber(redis.call('HGET', key('talk:bytes'), ARGV[4]) or 0) + grown > most then
  local size, at = 0, -1
  while true do
    local turn = redis.call('LINDEX', KEYS[1], at)
    if not turn then break end
    size = size + #turn
    if size > most and at < -1 then
      for _, void in ipairs(redis.call('LRANGE', KEYS[1], 0, at)) do grown = grown - #void end
      redis.call('LTRIM', KEYS[1], at + 1, -1)
      break
    end
    at = at - 1
  end
end
redis.call('SADD', key('speakers:', ARGV[4]), ARGV[5])
if tonumber(ARGV[6]) > 0 then
  -- Also where no worker is left that tidies.
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  redis.call('PEXPIRE', key('speakers:', ARGV[4]), ARGV[6])
end
redis.call('ZADD', key('talks'), now(), ARGV[4])
redis.call('HINCRBY', key('talk:bytes'), ARGV[4], grown)
redis.call('INCRBY', key('talk:total'), grown)
return 1
""",
)

HOLD = run_script(
    "#!lua",
    """
-- ARGV: P, conversation, run. Returns who has it.
local place = key('holder:', ARGV[2])
local holder = redis.call('GET', place)
if holder and redis.call('HGET', key('run:', holder), 'status') == 'running' then return holder end
redis.call('SET', place, ARGV[3])
redis.call('ZADD', key('talks'), now(), ARGV[2])
return ARGV[3]
""",
)

RELEASE = run_script(
    FREES,
    """
-- ARGV: P, conversation, run.
local place = key('holder:', ARGV[2])
if redis.call('GET', place) == ARGV[3] then redis.call('DEL', place) end
return 1
""",
)

_FORGET_TALK = """
local function forget(talk)
  local had = redis.call('DEL', key('holder:', talk))
  for _, agent in ipairs(redis.call('SMEMBERS', key('speakers:', talk))) do
    had = had + redis.call('DEL', key('turns:', talk, ':', agent))
  end
  had = had + redis.call('DEL', key('speakers:', talk)) + redis.call('ZREM', key('talks'), talk)
  redis.call('DECRBY', key('talk:total'), redis.call('HGET', key('talk:bytes'), talk) or 0)
  redis.call('HDEL', key('talk:bytes'), talk)
  return had
end
"""

FORGET_CONVERSATION = run_script(FREES, _FORGET_TALK + "return forget(ARGV[2])")

HOLDER = run_script(
    READS,
    """
-- ARGV: P, conversation. Returns the running run that has it.
local holder = redis.call('GET', key('holder:', ARGV[2]))
if holder and redis.call('HGET', key('run:', holder), 'status') == 'running' then return holder end
return nil
""",
)

SPEAKERS = run_script(READS, "return redis.call('SMEMBERS', key('speakers:', ARGV[2]))")

DROP_TURN = run_script(
    FREES,
    """
-- ARGV: P, conversation, agent, word + turn.
local gone = redis.call('LREM', key('turns:', ARGV[2], ':', ARGV[3]), 0, ARGV[4]) * #ARGV[4]
redis.call('HINCRBY', key('talk:bytes'), ARGV[2], -gone)
redis.call('DECRBY', key('talk:total'), gone)
return 1
""",
)

TIDY = run_script(
    FREES,
    _FORGET_TALK
    + """
-- ARGV: P, for how long a conversation stays (ms), bytes of all, tombstones. What is left is the next round's.
for _ = 1, 200 do
  local talk, used = unpack(redis.call('ZRANGE', key('talks'), 0, 0, 'WITHSCORES'))
  local total = tonumber(redis.call('GET', key('talk:total')) or 0)
  if not talk or (tonumber(used) > now() - ARGV[2] and total <= tonumber(ARGV[3])) then break end
  forget(talk)
end
local surplus = redis.call('ZCARD', key('tombstones')) - tonumber(ARGV[4])
if surplus > 0 then
  for _, id in ipairs(redis.call('ZRANGE', key('tombstones'), 0, math.min(surplus, 1000) - 1)) do
    redis.call('DEL', key('gone:', id))
    redis.call('ZREM', key('tombstones'), id)
  end
end
return 1
""",
)
