/** Gives the page's tests a run of two agents, and a replay of it. */

import { Replay } from '../../../orchestrator/web/page/timeline/replay.js';

export const METRICS = { queue_ms: 0, ttft_ms: 100, duration_ms: 900, output_chars: 11, tokens_per_s: 12.5, retries: 0 };

/** A run of two agents, one of which fails and is tried again. */
export const EVENTS = [
  ['run', 'started', 0, { agents: [{ agent_id: 'a', title: 'Anna', backend: 'offline', model: 'm' }, { agent_id: 'b', title: 'Bert', backend: 'offline', model: null }] }],
  ['a', 'started', 10, { attempt: 1 }],
  ['b', 'started', 10, { attempt: 1 }],
  ['a', 'token', 110, { text: '# Hi\n' }],
  ['b', 'token', 120, { text: 'lost' }],
  ['b', 'retry', 150, { attempt: 2, delay_s: 0.1, code: 'upstream_unavailable' }],
  ['a', 'token', 200, { text: 'there' }],
  ['b', 'started', 250, { attempt: 2 }],
  ['b', 'token', 300, { text: 'kept' }],
  ['a', 'token', 800, { text: '!' }],
  ['b', 'error', 850, { code: 'refusal', message: 'No.', error_id: 'err_1', retryable: false, metrics: METRICS, attempt: 2 }],
  ['a', 'done', 910, { text: '# Hi\nthere!', usage: { input_tokens: 1, output_tokens: 9 }, finish_reason: 'stop', metrics: METRICS, attempt: 1 }],
  ['run', 'done', 920, { status: 'partial', agents: { a: { status: 'done', attempt: 1 }, b: { status: 'error', attempt: 2 } }, metrics: null }],
].map(([who, type, t, data], n) => ({
  id: `e-${n + 1}`,
  name: `${who}.${type}`,
  agent_id: who === 'run' ? null : who,
  type,
  t,
  run_id: null,
  data: { type, t, ...data },
}));

export const ABOUT = { message: 'Why?', conversation_id: 'talk_1', created_at: 0 };

/** Return the run as it was at *t*, and how it goes on. */
export function replayed(t) {
  const replay = new Replay(EVENTS, { id: 'run_1', message: 'Why?' });
  replay.seek(t);
  return replay;
}
