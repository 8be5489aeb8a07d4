"""What Redis does to waiting work and to inboxes in one atomic step, in Lua. Owns no connection."""

from __future__ import annotations

from ..connection.client import Script

INBOX_MS = 60_000
"""How long something stays in an inbox that nobody reads."""

INBOX_LENGTH = 1000

TOOK_MS = 60_000
"""How long it is known what a call took whose answer was lost."""

FINISH_ENTRY = """
if not id then return 0 end
redis.call('XACK', KEYS[1], 'executors', id)
redis.call('XDEL', KEYS[1], id)
return redis.call('HDEL', KEYS[2], ARGV[1])
"""
"""The end of a script that takes a run's entry out; `id` is the entry, false if there is none."""

LIVES = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local function lives(worker) return tonumber(redis.call('ZSCORE', workers, worker) or 0) > now end
"""
"""Says whether a worker lives; `workers` is the key of their leases."""

DROP_CONSUMERS = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], 'executors')) do
  -- name, <name>, pending, <count>, idle, <ms>
  if consumer[4] == 0 and consumer[6] > 3600000 and not lives(consumer[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'executors', consumer[2])
  end
end
"""
"""Forgets takers that are long gone."""

OFFER = Script(
    """#!lua
-- KEYS: work, work ids. ARGV: run.
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XGROUP', 'CREATE', KEYS[1], 'executors', '0', 'MKSTREAM') end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], redis.call('XADD', KEYS[1], '*', 'r', ARGV[1]))
return 1
"""
)

FINISH = Script(
    """#!lua flags=allow-oom
-- KEYS: work, work ids. ARGV: run.
local id = redis.call('HGET', KEYS[2], ARGV[1])"""
    + FINISH_ENTRY
)

COUNT = Script("#!lua flags=no-writes\n-- KEYS: work ids.\nreturn redis.call('HLEN', KEYS[1])\n")

TAKE = Script(
    """#!lua
-- KEYS: work, work ids, workers, what this call took. ARGV: prefix, worker, idle time (ms), whether to look
-- after the dead. Returns a run; nil if there is none.
local took = redis.call('GET', KEYS[4])
if took then return took end  -- asked again, because the answer was lost
if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
local workers = KEYS[3]"""
    + LIVES
    + f"""
local function give(run)
  redis.call('SET', KEYS[4], run, 'PX', {TOOK_MS})
  return run
end
"""
    + """
-- Whether the run waits for its first claim; work for runs that are over goes.
local function waits(id, run)
  local status, token = unpack(redis.call('HMGET', ARGV[1] .. 'run:' .. run, 'status', 'token'))
  if status == 'running' then return token == '1' end
  redis.call('XACK', KEYS[1], 'executors', id)
  redis.call('XDEL', KEYS[1], id)
  redis.call('HDEL', KEYS[2], run)
  return false
end
while true do
  local answer = redis.call('XREADGROUP', 'GROUP', 'executors', ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], '>')
  local entry = answer and answer[1] and answer[1][2][1]
  if not entry then break end
  if waits(entry[1], entry[2][2]) then return give(entry[2][2]) end
end
if ARGV[4] == '0' then return nil end
local at = '-'
for _ = 1, 20 do
  local page = redis.call('XPENDING', KEYS[1], 'executors', 'IDLE', ARGV[3], at, '+', 50)
  for _, pending in ipairs(page) do
    at = '(' .. pending[1]
    if pending[2] ~= ARGV[2] and not lives(pending[2]) then
      local entry = redis.call('XRANGE', KEYS[1], pending[1], pending[1])[1]
      if not entry then
        redis.call('XACK', KEYS[1], 'executors', pending[1])
      elseif waits(entry[1], entry[2][2]) then
        redis.call('XCLAIM', KEYS[1], 'executors', ARGV[2], 0, pending[1], 'JUSTID')
        return give(entry[2][2])
      end
    end
  end
  if #page < 50 then break end
end"""
    + DROP_CONSUMERS
    + "return nil\n"
)

POST = Script(
    f"""#!lua flags=allow-oom
-- KEYS: inbox. ARGV: what tells this message from others, where to answer, body.
redis.call('XADD', KEYS[1], 'MAXLEN', '~', {INBOX_LENGTH}, '*', 'i', ARGV[1], 'a', ARGV[2], 'b', ARGV[3])
return redis.call('PEXPIRE', KEYS[1], {INBOX_MS})
"""
)
