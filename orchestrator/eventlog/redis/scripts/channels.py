"""What Redis does to a channel in one atomic step, in Lua. Owns no connection.

A script without `allow-oom` is refused as a whole where Redis is over `maxmemory`; those that free memory
or answer readers are not. Seqs stay exact: Lua's numbers hold 2^53, and `%.0f` spells them without exponent.
"""

from __future__ import annotations

from ..connection.client import Script

ENTRY_OVERHEAD_BYTES = 100
"""What a stream entry costs beside its frames, roughly."""

EMPTY_CHANNEL_MS = 60_000
"""How long a channel without events stays that nobody reads: names that clients make up must not pile up."""

WRITERS_KEPT = 64
"""From so many writers of one channel on, those silent for an hour are forgotten."""

SCANNED_ENTRIES = 200
"""Entries of a channel that one call looks through for a run's, where no list says where they are."""

_COMMON = f"""
local OVERHEAD = {ENTRY_OVERHEAD_BYTES}
local function seq(n) return string.format('%.0f', n) end
local function last_of(id) return tonumber(string.match(id, '^%d+')) end
-- Where a run's entries are in a channel that it shares: a list of their ids, so that nobody has to look for them.
local function places(meta, run) return string.sub(meta, 1, -5) .. 'of:' .. run end

-- Takes the oldest entries away until at most keep bytes are left, the newest entry always, and at most
-- 500 at once, so that nobody waits long for it. Returns what is left, and the first seq if it changed.
local function trim(log, bytes, keep)
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local cut, seen = nil, 0
  while newest and bytes > keep and seen < 500 do
    local page = redis.call('XRANGE', log, cut and ('(' .. cut) or '-', '+', 'COUNT', 20)
    for _, entry in ipairs(page) do
      if bytes <= keep or entry[1] == newest[1] then seen = 500 break end
      bytes, cut, seen = bytes - #entry[2][8] - OVERHEAD, entry[1], seen + 1
    end
  end
  if not cut then return bytes, nil end
  local first = last_of(cut) + 1
  redis.call('XTRIM', log, 'MINID', '=', seq(first) .. '-0')
  return bytes, first
end
"""

APPEND = Script(
    "#!lua"
    + _COMMON
    + f"""
-- KEYS: meta, log, runs, sizes, total, generation. ARGV: channel, our field, our write's number, an epoch if need be,
-- the epoch and seq that we know of, most bytes, the time; then for each part: fenced run or '', token,
-- number of packs; then each pack: run, count, blob.
-- Answers 'total epoch a,b,c': for each part the seq of its first event, F (fenced) or U (run unknown).
local meta, log, field, n = KEYS[1], KEYS[2], ARGV[2], tonumber(ARGV[3])
local m = redis.call('HMGET', meta, 'epoch', 'first', 'last', 'bytes', 'only', field, 'gen', 'placed', 'unplaced')
local gen = redis.call('GET', KEYS[6]) or '0'
if m[6] then
  -- The same write again, because its answer was lost: the same answer. An older one comes too late.
  local done, _, answer = string.match(m[6], '^(%d+) (%d+) (.*)$')
  if tonumber(done) == n then return (redis.call('GET', KEYS[5]) or '0') .. ' ' .. answer end
  if tonumber(done) > n then return 'late' end
elseif redis.call('HLEN', meta) > {WRITERS_KEPT} then
  local all = redis.call('HGETALL', meta)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'w:' then
      local at = string.match(all[i + 1], '^%d+ (%d+) ')
      if tonumber(at) < tonumber(ARGV[8]) - 3600 then redis.call('HDEL', meta, all[i]) end
    end
  end
end
local epoch, first, last, bytes, only = m[1], tonumber(m[2]), tonumber(m[3]), tonumber(m[4]), m[5]
-- Entries up to `unplaced` are in no list: an earlier release wrote them, perhaps in between.
local lost, unplaced = 0, m[8] and m[8] == m[3] and m[9] or m[3] or '0'
if not epoch then
  epoch, first, last, bytes = ARGV[4], 1, 0, 0
elseif (m[7] or '0') ~= gen or (epoch == ARGV[5] and tonumber(ARGV[6]) > last) then
  epoch = ARGV[4]  -- Redis came back with less than it said it had, or may have
end
local before, answers, added, i = bytes, {{}}, false, 9
while i <= #ARGV do
  local run, token, packs = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local held = run == '' or redis.call('HGET', KEYS[3], run)
  i = i + 3
  if not held then
    answers[#answers + 1] = 'U'
  elseif held ~= true and held ~= token then
    answers[#answers + 1] = 'F'
  else
    if not added then
      if last < first then
        -- Nothing is to be there; what is was left over when the meta was lost.
        redis.call('DEL', log)
        redis.call('PERSIST', meta)
        unplaced = seq(last)
      elseif redis.call('EXISTS', log) == 0 then
        epoch, first, before, bytes, lost, unplaced = ARGV[4], last + 1, 0, 0, bytes, seq(last)
      end
      added = true
    end
    answers[#answers + 1] = seq(last + 1)
    for p = i, i + 3 * packs - 1, 3 do
      last = last + tonumber(ARGV[p + 1])
      redis.call('XADD', log, seq(last) .. '-0', 'e', epoch, 'r', ARGV[p], 'n', ARGV[p + 1], 'f', ARGV[p + 2])
      bytes = bytes + #ARGV[p + 2] + OVERHEAD
      if ARGV[p] ~= ARGV[1] then redis.call('RPUSH', places(meta, ARGV[p]), seq(last)) end
      if not only then only = ARGV[p] elseif only ~= ARGV[p] then only = '' end
    end
  end
  i = i + 3 * packs
end
local answer = epoch .. ' ' .. table.concat(answers, ',')
if not added then return (redis.call('GET', KEYS[5]) or '0') .. ' ' .. answer end
if bytes > tonumber(ARGV[7]) then
  local cut
  bytes, cut = trim(log, bytes, tonumber(ARGV[7]) * 0.9)
  first = cut or first
end
redis.call('HSET', meta, 'epoch', epoch, 'first', seq(first), 'last', seq(last), 'bytes', seq(bytes),
  'only', only, 'gen', gen, 'placed', seq(last), 'unplaced', unplaced,
  field, ARGV[3] .. ' ' .. ARGV[8] .. ' ' .. answer)
redis.call('ZADD', KEYS[4], seq(bytes), ARGV[1])
return redis.call('INCRBY', KEYS[5], seq(bytes - before - lost)) .. ' ' .. answer
"""
)
"""Checks the fences, assigns seqs, adds, trims, remembers the answer: all or nothing."""

RESOLVE = Script(
    """#!lua flags=allow-oom
-- KEYS: meta. ARGV: our field, the number of a write whose answer was lost, the time.
-- Returns its answer, or false; then it is void: should it still be under way, it will come too late.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local done, _, answer
if kept then done, _, answer = string.match(kept, '^(%d+) (%d+) (.*)$') end
if done and tonumber(done) >= tonumber(ARGV[2]) then
  return done == ARGV[2] and answer ~= '' and answer
end
local known = redis.call('EXISTS', KEYS[1]) == 1
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ')
if not known then redis.call('PEXPIRE', KEYS[1], 60000) end
return false
"""
)

_BOUNDS = """
-- The epoch changes where entries are gone that Redis, or we, knew of.
local function bounds(meta, log, generation, fresh, known_epoch, known_last)
  local m = redis.call('HMGET', meta, 'epoch', 'first', 'last', 'gen')
  local gen = redis.call('GET', generation) or '0'
  local epoch, first, last = m[1], tonumber(m[2]), tonumber(m[3])
  if not epoch then return nil end
  if last >= first and redis.call('EXISTS', log) == 0 then
    redis.call('DEL', meta)
    return nil
  end
  if (m[4] or '0') ~= gen or (epoch == known_epoch and tonumber(known_last) > last) then
    epoch = fresh
    redis.call('HSET', meta, 'epoch', epoch, 'gen', gen)
  end
  return epoch, first, last
end
"""

OPEN = Script(
    "#!lua flags=allow-oom"
    + _COMMON
    + _BOUNDS
    + f"""
-- KEYS: meta, log, generation. ARGV: an epoch if need be, the epoch and seq that we know of.
local epoch, first, last = bounds(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if not epoch then
  epoch, first, last = ARGV[1], 1, 0
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'first', 1, 'last', 0, 'bytes', 0,
    'gen', redis.call('GET', KEYS[3]) or '0')
end
if last == 0 then redis.call('PEXPIRE', KEYS[1], {EMPTY_CHANNEL_MS}) end
return epoch .. ' ' .. seq(first) .. ' ' .. seq(last)
"""
)

READ = Script(
    "#!lua flags=allow-oom"
    + _COMMON
    + _BOUNDS
    + f"""
-- KEYS: meta, log, generation. ARGV: an epoch if need be, the epoch and seq that we know of; after, most events,
-- most bytes.
-- Returns 'epoch first last', whether this is all there is, then seq, run and blob of each entry.
local epoch, first, last = bounds(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if not epoch then return false end
if last == 0 then redis.call('PEXPIRE', KEYS[1], {EMPTY_CHANNEL_MS}) end
local found = {{epoch .. ' ' .. seq(first) .. ' ' .. seq(last), 1}}
local at, events, size = '(' .. ARGV[4] .. '-0', 0, 0
while true do
  local page = redis.call('XRANGE', KEYS[2], at, '+', 'COUNT', 8)
  for _, entry in ipairs(page) do
    local fields = entry[2]
    if events >= tonumber(ARGV[5]) or size >= tonumber(ARGV[6]) then
      found[2] = 0
      return found
    end
    found[#found + 1], found[#found + 2], found[#found + 3] = string.match(entry[1], '^%d+'), fields[4], fields[8]
    events, size, at = events + tonumber(fields[6]), size + #fields[8], '(' .. entry[1]
  end
  if #page < 8 then return found end
end
""",
    reads_much=True,
)

READ_RUN = Script(
    "#!lua flags=allow-oom"
    + _COMMON
    + _BOUNDS
    + f"""
-- KEYS: meta, log, generation. ARGV: an epoch if need be, the epoch and seq that we know of; channel, run, after,
-- most events, most bytes.
-- Returns 'epoch first last', after which seq to go on ('' at the end), then seq, run and blob of each entry.
-- First come entries that are in no list, from one page of the channel; then those in the run's.
local epoch, first, last = bounds(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if not epoch then return false end
local run, at = ARGV[5], math.max(tonumber(ARGV[6]), first - 1)
local m = redis.call('HMGET', KEYS[1], 'last', 'placed', 'unplaced')
local unplaced = tonumber(m[2] and m[2] == m[1] and m[3] or m[1] or 0)
if run == ARGV[4] then unplaced = last end
local found = {{epoch .. ' ' .. seq(first) .. ' ' .. seq(last), ''}}
local events, size = 0, 0
local function take(entry)
  local fields = entry[2]
  if fields[4] ~= run then return end
  found[#found + 1], found[#found + 2], found[#found + 3] = string.match(entry[1], '^%d+'), run, fields[8]
  events, size = events + tonumber(fields[6]), size + #fields[8]
end
local function full() return events >= tonumber(ARGV[7]) or size >= tonumber(ARGV[8]) end
local function go_on(after)
  found[2] = seq(after)
  return found
end
if at < unplaced then
  local page = redis.call('XRANGE', KEYS[2], '(' .. seq(at) .. '-0', seq(unplaced) .. '-0', 'COUNT', {SCANNED_ENTRIES})
  for _, entry in ipairs(page) do
    take(entry)
    at = last_of(entry[1])
    if full() then return go_on(at) end
  end
  if #page == {SCANNED_ENTRIES} then return go_on(at) end
  at = unplaced
end
local mine = places(KEYS[1], run)
local low, high = 0, redis.call('LLEN', mine)
while low < high do
  local middle = math.floor((low + high) / 2)
  if tonumber(redis.call('LINDEX', mine, middle)) <= at then low = middle + 1 else high = middle end
end
while true do
  local ids = redis.call('LRANGE', mine, low, low + 49)
  for _, id in ipairs(ids) do
    -- It may have been trimmed, and the place be another run's by now.
    local entry = redis.call('XRANGE', KEYS[2], id .. '-0', id .. '-0')[1]
    if entry then take(entry) end
    if full() then return go_on(tonumber(id)) end
  end
  if #ids < 50 then return found end
  low = low + 50
end
""",
    reads_much=True,
)

ERASE = Script(
    "#!lua flags=allow-oom"
    + _COMMON
    + """
-- KEYS: meta, log, sizes, total, notices. ARGV: channel, run, where to go on ('-' at first).
-- Erases from one page: first of the entries that are in no list, then of those in the run's.
-- Returns where to go on ('' at the end) and the total.
local meta, log, at = KEYS[1], KEYS[2], ARGV[3]
local m = redis.call('HMGET', meta, 'bytes', 'only', 'last', 'placed', 'unplaced')
local mine = places(meta, ARGV[2])
local bytes = tonumber(m[1] or 0)
local left = bytes
local function drop()
  redis.call('DEL', meta, log)
  redis.call('ZREM', KEYS[3], ARGV[1])
  at, left = '', 0
end
local function erase(entry)
  if entry[2][4] == ARGV[2] then
    redis.call('XDEL', log, entry[1])
    left = left - #entry[2][8] - OVERHEAD
  end
end
if m[2] == ARGV[2] then
  drop()
else
  if at ~= 'placed' then
    local unplaced = m[4] and m[4] == m[3] and m[5] or m[3] or '0'
    local page = redis.call('XRANGE', log, at, unplaced .. '-0', 'COUNT', 200)
    for _, entry in ipairs(page) do erase(entry) end
    at = #page == 200 and '(' .. page[200][1] or 'placed'
  end
  if at == 'placed' then
    local ids = redis.call('LRANGE', mine, 0, 199)
    for _, id in ipairs(ids) do
      -- It may have been trimmed, and the place be another run's by now.
      local entry = redis.call('XRANGE', log, id .. '-0', id .. '-0')[1]
      if entry then erase(entry) end
    end
    redis.call('LTRIM', mine, 200, -1)
    at = #ids == 200 and 'placed' or ''
  end
  if at == '' and m[2] and redis.call('XLEN', log) == 0 then
    drop()
  elseif left ~= bytes then
    redis.call('HSET', meta, 'bytes', seq(left))
    redis.call('ZADD', KEYS[3], seq(left), ARGV[1])
  end
end
if at == '' then
  redis.call('DEL', mine)
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', 1000, '*', 'c', ARGV[1])
end
return {at, redis.call('INCRBY', KEYS[4], seq(left - bytes))}
"""
)

TRIM = Script(
    "#!lua flags=allow-oom"
    + _COMMON
    + """
-- KEYS: meta, log, sizes, total. ARGV: channel, bytes to keep.
-- Returns whether something went, and the total.
local before = tonumber(redis.call('HGET', KEYS[1], 'bytes') or 0)
local bytes, first = trim(KEYS[2], before, tonumber(ARGV[2]))
if not first then
  if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('ZREM', KEYS[3], ARGV[1]) end
  return {0, tonumber(redis.call('GET', KEYS[4]) or 0)}
end
redis.call('HSET', KEYS[1], 'first', seq(first), 'bytes', seq(bytes))
redis.call('ZADD', KEYS[3], seq(bytes), ARGV[1])
return {1, redis.call('INCRBY', KEYS[4], seq(bytes - before))}
"""
)

TICK = Script(
    """#!lua
-- KEYS: incarnation, total. ARGV: a new incarnation if need be.
-- A write on purpose: where Redis takes none, this says so.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {redis.call('GET', KEYS[1]), tonumber(redis.call('GET', KEYS[2]) or 0)}
"""
)

RECOGNIZE = """#!lua flags=allow-oom
-- KEYS: server, generation, incarnation. ARGV: which server process this is, whether one that starts again has lost
-- nothing, a new incarnation if need be.
-- Returns whether writes may be lost that were confirmed.
redis.call('SET', KEYS[3], ARGV[3], 'NX')
local known = redis.call('GET', KEYS[1])
if known == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
if not known or ARGV[2] == '1' then return 0 end
redis.call('INCR', KEYS[2])
return 1
"""
"""Sent as text: it has to run before any script is loaded that a new server does not know yet."""
