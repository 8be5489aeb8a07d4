"""What Redis does to waiting work whose runs lie in other slots, in Lua. Owns no connection.

Whether a run still waits is looked up elsewhere, between these steps. Until then it is its taker's: a taker that dies
is looked after, one that asks again gets the same.
"""

from __future__ import annotations

from ..connection.client import Script
from .cluster import DROP_CONSUMERS, FINISH_ENTRY, LIVES, TOOK_MS

TAKE_NEXT = Script(
    f"""#!lua
-- KEYS: work, what this call took. ARGV: worker. Returns a run that nobody has; nil if there is none.
local took = redis.call('GET', KEYS[2])
if took then return took end  -- asked again, because the answer was lost
if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
local answer = redis.call('XREADGROUP', 'GROUP', 'executors', ARGV[1], 'COUNT', 1, 'STREAMS', KEYS[1], '>')
local entry = answer and answer[1] and answer[1][2][1]
if not entry then return nil end
redis.call('SET', KEYS[2], entry[2][2], 'PX', {TOOK_MS})
return entry[2][2]
"""
)

PASS_OVER = Script(
    """#!lua flags=allow-oom
-- KEYS: work, work ids, what this call took. ARGV: a run that does not wait, whether it is over.
if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('DEL', KEYS[3]) end
local id = ARGV[2] == '1' and redis.call('HGET', KEYS[2], ARGV[1])"""
    + FINISH_ENTRY
)

LEFT_BEHIND = Script(
    """#!lua
-- KEYS: work, workers. ARGV: worker, idle time (ms), where to go on ('-' at first). Looks at one page of what
-- was taken. Returns where to go on ('' at the end), then entry and run of what dead workers have.
if redis.call('EXISTS', KEYS[1]) == 0 then return {''} end
local workers = KEYS[2]"""
    + LIVES
    + """
local page = redis.call('XPENDING', KEYS[1], 'executors', 'IDLE', ARGV[2], ARGV[3], '+', 50)
local found = {''}
for _, pending in ipairs(page) do
  if pending[2] ~= ARGV[1] and not lives(pending[2]) then
    local entry = redis.call('XRANGE', KEYS[1], pending[1], pending[1])[1]
    if entry then
      found[#found + 1], found[#found + 2] = entry[1], entry[2][2]
    else
      redis.call('XACK', KEYS[1], 'executors', pending[1])
    end
  end
end
if #page == 50 then
  found[1] = '(' .. page[50][1]
  return found
end"""
    + DROP_CONSUMERS
    + "return found\n"
)

TAKE_LEFT = Script(
    f"""#!lua
-- KEYS: work, what this call took. ARGV: worker, idle time (ms), entry, its run. Returns a run; nil if another was
-- faster.
local took = redis.call('GET', KEYS[2])
if took then return took end
if #redis.call('XCLAIM', KEYS[1], 'executors', ARGV[1], ARGV[2], ARGV[3], 'JUSTID') == 0 then return nil end
redis.call('SET', KEYS[2], ARGV[4], 'PX', {TOOK_MS})
return ARGV[4]
"""
)
