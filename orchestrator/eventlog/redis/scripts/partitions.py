"""What a log of several partitions asks of one in an atomic step, in Lua. Owns no connection.

What one script did while everything lay in one slot is cut here into steps of one slot each. After a crash between two
of them, whoever comes next finds out by these scripts how far it got. ARGV as `runs` has it.
"""

from __future__ import annotations

from .runs import COUNT_OWNERS, FREES, READS, run_script

VOID_MS = 3600 * 1000
"""How long a run cannot be created any more whose key was given to another."""

STATE = run_script(
    READS,
    """
-- ARGV: P, run. Returns status and token; nil if there is no such run.
local found = redis.call('HMGET', key('run:', ARGV[2]), 'status', 'token')
return found[1] and found
""",
)

RESERVE = run_script(
    "#!lua",
    """
-- ARGV: P, idempotency key, run, its channel, what may be replaced or ''. Returns the time, and who has the key: the
-- run, and if it is kept in another partition, a space, since when, a space and its channel.
local t, kept = string.format('%.0f', now()), redis.call('HGET', key('keys'), ARGV[2])
if not kept or kept == ARGV[5] then
  kept = ARGV[3] .. ' ' .. t .. ' ' .. ARGV[4]
  redis.call('HSET', key('keys'), ARGV[2], kept)
end
return {t, kept}
""",
)

RELEASE_KEY = run_script(
    FREES,
    """
-- ARGV: P, idempotency key, run. Frees the key if the run has it.
local kept = redis.call('HGET', key('keys'), ARGV[2])
if kept and string.match(kept, '^%S+') == ARGV[3] then redis.call('HDEL', key('keys'), ARGV[2]) end
return 1
""",
)

VOID = run_script(
    "#!lua",
    f"""
-- ARGV: P, run. Returns its record; if there is none, lets there never be one, so that its key can be another's.
local found = record(ARGV[2])
if found[1] then return found end
redis.call('SET', key('void:', ARGV[2]), 1, 'PX', {VOID_MS})
return nil
""",
)

HOLD_INSTEAD = run_script(
    "#!lua",
    """
-- ARGV: P, conversation, run, who is known to be over or ''. Returns who has it.
local place = key('holder:', ARGV[2])
local holder = redis.call('GET', place)
if holder and holder ~= ARGV[3] and holder ~= ARGV[4] then return holder end
redis.call('SET', place, ARGV[3])
redis.call('ZADD', key('talks'), now(), ARGV[2])
return ARGV[3]
""",
)

HELD = run_script(
    READS,
    """
-- ARGV: P. Returns the bytes held, those of conversations, the number of tombstones, and that of conversations.
return {tonumber(redis.call('GET', key('total')) or 0), tonumber(redis.call('GET', key('talk:total')) or 0),
  redis.call('ZCARD', key('tombstones')), redis.call('ZCARD', key('talks'))}
""",
)

SURVEY = run_script(
    FREES,
    """
-- ARGV: P. Returns how many runs have ended, when the first of them did or '', then each worker that owns running runs
-- and how many.
local first = redis.call('ZRANGE', key('ended'), 0, 0, 'WITHSCORES')
"""
    + COUNT_OWNERS
    + """
table.insert(found, 1, redis.call('ZCARD', key('ended')))
table.insert(found, 2, first[2] or '')
return found
""",
)
