/** Makes a run of what was recorded, for whoever has not asked anything yet. It asks nobody and steers nothing. */

import { change, emptyRun, reduce } from '../../client/state/store.js';
import { toEvent } from '../../client/wire/stream.js';
import { RunRecord } from '../run/run-record.js';
import { RECORDED } from './recorded.js';

/** @typedef {import('../../client/types.js').RunEvent} RunEvent */

/** @returns {RunRecord} */
export function demoRecord() {
  const { message } = RECORDED;
  const events = RECORDED.events.flatMap(({ event, ...data }) => toEvent({ event, data: JSON.stringify(data), id: null }) ?? []);
  const state = change(events.reduce(reduce, emptyRun('demo', message)), { connection: 'closed' });
  const run = {
    id: 'demo',
    status: state.status,
    connection: state.connection,
    agents: state.agents,
    panel: state.panel,
    failure: null,
    getSnapshot: () => state,
    getAgent: (/** @type {string} */ id) => state.agents[id],
    subscribe: () => () => {},
    detach: () => {},
    on(/** @type {string} */ type, /** @type {(event: RunEvent) => void} */ callback) {
      if (type === '*') events.forEach(callback);
      return () => {};
    },
  };
  const record = new RunRecord(/** @type {any} */ (run), { message, conversation_id: null, created_at: 0 }, null);
  record.demo = true;
  return record;
}
