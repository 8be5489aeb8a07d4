"""What Redis does to the records of runs in one atomic step, in Lua. Owns no connection, and no conversation.

ARGV[1] is always our prefix: which further keys a script touches follows from what it finds, which is
one reason why a log stays in one slot of a Redis Cluster. The last argument moves the clock, for tests.
Time is Redis' own: workers' clocks differ. A record travels as (body, owner, token, status, ended,
place, channel, run).
"""

from __future__ import annotations

from ...leases import KEPT_SECONDS
from ..connection.client import Script

_COMMON = """
local P = ARGV[1]
local function key(...) return P .. table.concat({...}) end
local function record(id)
  local found = redis.call('HMGET', key('run:', id), 'body', 'owner', 'token', 'status', 'ended', 'place', 'channel')
  found[8] = id
  return found
end
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000) + tonumber(ARGV[#ARGV])
end
-- The record; or '' and why it is gone; or nil.
local function find(id)
  local found = record(id)
  if found[1] then return found end
  local gone = redis.call('GET', key('gone:', id))
  if gone then
    local till, why = string.match(gone, '^(%d+) (.*)$')
    if tonumber(till) > now() then return {'', why} end
  end
  return nil
end
-- Which running runs a worker owns: an index, so that nobody has to look at all of them.
local function own(owner, place, id)
  redis.call('SADD', key('owners'), owner)
  redis.call('ZADD', key('owned:', owner), place, id)
end
local function all(ids)
  local found = {}
  for _, id in ipairs(ids) do
    local one = record(id)
    if one[1] then found[#found + 1] = one end
  end
  return found
end
"""
READS, FREES = "#!lua flags=no-writes", "#!lua flags=allow-oom"


def run_script(head: str, body: str, *, reads_much: bool = False) -> Script:
    """Return a script with what all of them share before *body*."""
    return Script(head + _COMMON + body, reads_much=reads_much)


CREATE = run_script(
    "#!lua",
    """
-- ARGV: P, run, channel, idempotency key or '', body, owner, token, status, ended or '', conversation or '',
-- when it was created, summary or '', manner: '' in a log of one partition, 'clock' in one of several, 'reserved' if
-- the key is in another one. Returns 1; or the record that there is already; or '' and who has the key elsewhere; or ''
-- twice: there may be no such run any more.
local id, known, manner = ARGV[2], nil, ARGV[13]
if manner == 'reserved' then
  if redis.call('EXISTS', key('void:', id)) == 1 then return {'', ''} end
elseif ARGV[4] ~= '' then
  known = redis.call('HGET', key('keys'), ARGV[4])
  if known and string.find(known, ' ', 1, true) then return {'', known} end
end
known = known and record(known) or record(id)
if known[1] then return known end
local place
if manner == '' then
  place = redis.call('INCR', key('place'))
else
  -- By the clock, so that those of different partitions can be compared; never the same twice.
  local t = redis.call('TIME')
  local last = tonumber(redis.call('GET', key('place')) or 0)
  place = string.format('%.0f', math.max(last + 1, tonumber(t[1]) * 1000000 + tonumber(t[2])))
  redis.call('SET', key('place'), place)
end
redis.call('HSET', key('run:', id), 'body', ARGV[5], 'owner', ARGV[6], 'token', ARGV[7], 'status', ARGV[8],
  'place', place, 'channel', ARGV[3], 'key', ARGV[4], 'conversation', ARGV[10], 'created', ARGV[11],
  'summary', ARGV[12])
redis.call('ZADD', key('runs'), place, id)
redis.call('INCRBY', key('total'), #ARGV[5])
if ARGV[9] ~= '' then
  redis.call('HSET', key('run:', id), 'ended', ARGV[9])
  redis.call('ZADD', key('ended'), ARGV[9], id)
else
  redis.call('ZADD', key('running'), place, id)
  own(ARGV[6], place, id)
end
redis.call('HSET', key('{', ARGV[3], '}:runs'), id, ARGV[7])
if ARGV[4] ~= '' and manner ~= 'reserved' then redis.call('HSET', key('keys'), ARGV[4], id) end
return 1
""",
)

FIND = run_script(READS, "return find(ARGV[2])")

LIST = run_script(
    READS,
    """
-- ARGV: P, most, the run before which to begin or ''. Returns records, newest first; or what `find` says.
local top = '+inf'
if ARGV[3] ~= '' then
  local place = redis.call('ZSCORE', key('runs'), ARGV[3])
  if not place then return find(ARGV[3]) end
  top = '(' .. place
end
return {all(redis.call('ZREVRANGEBYSCORE', key('runs'), top, '-inf', 'LIMIT', 0, ARGV[2]))}
""",
    reads_much=True,
)

PAGE = run_script(
    READS,
    """
-- ARGV: P, most, the place before which to begin or '', status, channel, conversation ('' of each: any), at how
-- many runs to look at most. Returns the place before which to go on or '', then rows, newest first.
local top, found, seen, last = ARGV[3] == '' and '+inf' or '(' .. ARGV[3], {''}, 0, ''
while true do
  local page = redis.call('ZREVRANGEBYSCORE', key('runs'), top, '-inf', 'LIMIT', 0, 50)
  for _, id in ipairs(page) do
    if #found > tonumber(ARGV[2]) or seen >= tonumber(ARGV[7]) then
      found[1] = last
      return found
    end
    local row = redis.call('HMGET', key('run:', id), 'place', 'channel', 'conversation', 'status', 'created',
      'ended', 'summary', 'token')
    row[9], seen = id, seen + 1
    if row[1] then
      last = row[1]
      if (ARGV[4] == '' or row[4] == ARGV[4]) and (ARGV[5] == '' or row[2] == ARGV[5])
        and (ARGV[6] == '' or row[3] == ARGV[6]) then found[#found + 1] = row end
    end
  end
  if #page < 50 or last == '' then return found end
  top = '(' .. last
end
""",
)

BODIES = run_script(
    READS,
    """
-- ARGV: P, the longest that is looked at, runs. Returns the body of each; nil where it is longer, or the run gone.
local found = {}
for n = 3, #ARGV - 1 do
  local run = key('run:', ARGV[n])
  local size = redis.call('HSTRLEN', run, 'body')
  found[#found + 1] = size <= tonumber(ARGV[2]) and redis.call('HGET', run, 'body')
end
return found
""",
    reads_much=True,
)

IN_CHANNEL = run_script(
    READS, "return all(redis.call('HKEYS', key('{', ARGV[2], '}:runs')))", reads_much=True
)

RUNNING = run_script(READS, "return all(redis.call('ZRANGE', key('running'), 0, -1))", reads_much=True)

ENDED = run_script(
    READS,
    "return all(redis.call('ZRANGEBYSCORE', key('ended'), '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3]))",
    reads_much=True,
)

END = run_script(
    FREES,
    """
-- ARGV: P, run, token, status, time, summary or '', a shorter body or ''. Returns 1; F: fenced; U: no such run.
local token, status, owner = unpack(redis.call('HMGET', key('run:', ARGV[2]), 'token', 'status', 'owner'))
if not token then return 'U' end
if token ~= ARGV[3] then return 'F' end
if status ~= 'running' then return 1 end
redis.call('HSET', key('run:', ARGV[2]), 'status', ARGV[4], 'ended', ARGV[5])
if ARGV[6] ~= '' then redis.call('HSET', key('run:', ARGV[2]), 'summary', ARGV[6]) end
if ARGV[7] ~= '' then
  local before = redis.call('HSTRLEN', key('run:', ARGV[2]), 'body')
  redis.call('HSET', key('run:', ARGV[2]), 'body', ARGV[7])
  redis.call('INCRBY', key('total'), #ARGV[7] - before)
end
redis.call('ZREM', key('running'), ARGV[2])
redis.call('ZREM', key('owned:', owner), ARGV[2])
redis.call('ZADD', key('ended'), ARGV[5], ARGV[2])
return 1
""",
)

CLAIM = run_script(
    FREES,
    """
-- ARGV: P, run, owner, token of the last owner, a word for this very claim (it may arrive twice), 1 if the owner has
-- the body and need not be sent it. Returns the record, or nil if somebody else was faster.
local run = key('run:', ARGV[2])
local function claimed()
  if ARGV[6] ~= '1' then return record(ARGV[2]) end
  local found = redis.call('HMGET', run, 'owner', 'token', 'status', 'ended', 'place', 'channel')
  return {'', found[1], found[2], found[3], found[4], found[5], found[6], ARGV[2]}
end
local token, status, claim, channel, owner, place =
  unpack(redis.call('HMGET', run, 'token', 'status', 'claim', 'channel', 'owner', 'place'))
if claim and claim == ARGV[5] then return claimed() end
if token ~= ARGV[4] or status ~= 'running' then return nil end
token = string.format('%.0f', tonumber(token) + 1)
redis.call('HSET', run, 'owner', ARGV[3], 'token', token, 'claim', ARGV[5])
redis.call('ZREM', key('owned:', owner), ARGV[2])
own(ARGV[3], place, ARGV[2])
redis.call('HSET', key('{', channel, '}:runs'), ARGV[2], token)
return claimed()
""",
)

FORGET = run_script(
    FREES,
    """
-- ARGV: P, run, why, for how long (ms). Returns the channel, or nil where there is no such run.
local id = ARGV[2]
local channel, idem, owner = unpack(redis.call('HMGET', key('run:', id), 'channel', 'key', 'owner'))
if not channel then return nil end
redis.call('SET', key('gone:', id), string.format('%.0f ', now() + ARGV[4]) .. ARGV[3], 'PX', ARGV[4])
redis.call('DECRBY', key('total'), redis.call('HSTRLEN', key('run:', id), 'body'))
redis.call('DEL', key('run:', id))
redis.call('ZADD', key('tombstones'), now(), id)
redis.call('ZREMRANGEBYSCORE', key('tombstones'), '-inf', now() - ARGV[4])
redis.call('HDEL', key('{', channel, '}:runs'), id)
for _, index in ipairs({'runs', 'running', 'ended', 'owned:' .. owner}) do redis.call('ZREM', key(index), id) end
if idem ~= '' and redis.call('HGET', key('keys'), idem) == id then redis.call('HDEL', key('keys'), idem) end
return channel
""",
)

INDEX = run_script(
    FREES,
    """
-- ARGV: P. Brings the index of owners up to date with runs that an older version started.
for _, id in ipairs(redis.call('ZRANGE', key('running'), 0, -1)) do
  local owner, place = unpack(redis.call('HMGET', key('run:', id), 'owner', 'place'))
  if owner then own(owner, place, id) end
end
return 1
""",
)

COUNT_OWNERS = """
local found = {}
for _, owner in ipairs(redis.call('SMEMBERS', key('owners'))) do
  local count = redis.call('ZCARD', key('owned:', owner))
  if count == 0 then
    redis.call('SREM', key('owners'), owner)
  else
    found[#found + 1] = owner
    found[#found + 1] = count
  end
end
"""
"""Puts each worker that owns running runs into `found`, and how many after it."""

OWNERS = run_script(
    FREES,
    "-- ARGV: P. Returns each worker that owns running runs, and how many." + COUNT_OWNERS + "return found",
)

OWNED = run_script(
    READS,
    """
-- ARGV: P, worker, most. Returns run, token and place of each.
local found = {}
local owned = redis.call('ZRANGE', key('owned:', ARGV[2]), 0, tonumber(ARGV[3]) - 1, 'WITHSCORES')
for n = 1, #owned, 2 do
  local token = redis.call('HGET', key('run:', owned[n]), 'token')
  if token then
    found[#found + 1], found[#found + 2], found[#found + 3] = owned[n], token, owned[n + 1]
  end
end
return found
""",
)

WATCH = run_script(
    FREES,
    """
-- ARGV: P, worker, for how long (ms), how many keys are added, these, those that are removed.
local place, added = key('watched:', ARGV[2]), tonumber(ARGV[4])
for n = 5, #ARGV - 1 do
  if n < 5 + added then redis.call('HSET', place, ARGV[n], 1) else redis.call('HDEL', place, ARGV[n]) end
end
return redis.call('PEXPIRE', place, ARGV[3])
""",
)

WATCHED = run_script(
    READS,
    """
-- ARGV: P, number of workers, these, then keys. Returns the keys of which one of them has subscribers.
local workers, found = tonumber(ARGV[2]), {}
for n = 3 + workers, #ARGV - 1 do
  for w = 3, 2 + workers do
    if redis.call('HEXISTS', key('watched:', ARGV[w]), ARGV[n]) == 1 then
      found[#found + 1] = ARGV[n]
      break
    end
  end
end
return found
""",
)

BEAT = run_script(
    FREES,
    """
-- ARGV: P, worker, for how long (ms); 0 is a farewell, and is told as a negative time.
local t = now()
local till = tonumber(ARGV[3]) > 0 and t + ARGV[3] or -t
return redis.call('ZADD', key('workers'), string.format('%.0f', till), ARGV[2])
""",
)

LIVING = run_script(
    FREES,
    f"""
-- ARGV: P. Returns the time, then each worker and until when it says that it lives. What is long over goes:
-- not at once, because others must see that the number changed, or was a farewell.
local t, kept = now(), {KEPT_SECONDS * 1000:.0f}
redis.call('ZREMRANGEBYSCORE', key('workers'), 0, string.format('%.0f', t - kept))
redis.call('ZREMRANGEBYSCORE', key('workers'), string.format('%.0f', kept - t), 0)
local found = redis.call('ZRANGE', key('workers'), 0, -1, 'WITHSCORES')
table.insert(found, 1, string.format('%.0f', t))
return found
""",
)
