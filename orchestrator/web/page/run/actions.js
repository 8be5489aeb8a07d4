/** Does what the buttons of an open run ask for, each by the name that it has in the markup. */

import { announce } from '../announce.js';
import { copyText } from '../clipboard.js';
import { useRef, useState } from '../html.js';
import { NOT_FETCHED } from '../lazy.js';
import { answerOf } from '../panel/roles.js';
import { votes } from '../storage.js';

/** Retry takes the place of Stop, so the second of two quick clicks is not meant for it. */
const DOUBLE_CLICK_MS = 700;

/** A page that is being left is gone by then: what it could not wait for is not taken back. */
const LEFT_MS = 300;

/** @type {Record<string, string>} */
export const VERDICTS = { '=tie': 'a tie', '=both_bad': 'none of them' };

const NOTHING = /** @type {const} */ ({ text: '', status: 'done' });

/**
 * @typedef {object} Screen What is seen of the run, and how that is changed.
 * @property {import('../timeline/replay.js').Replay | null} replay
 * @property {(replay: import('../timeline/replay.js').Replay | null) => void} setReplay
 * @property {string[]} order The columns, once they were moved.
 * @property {(ids: string[]) => void} setOrder
 * @property {string[]} hidden The columns that are not seen.
 * @property {(ids: string[]) => void} setHidden
 * @property {string | null} maximised
 * @property {(id: string | null) => void} setMaximised
 * @property {{sync: boolean, timeline: boolean | null, compareWith: string | null}} layout *timeline*: null until it is chosen.
 * @property {(changes: Partial<Screen['layout']>) => void} changeLayout
 */

/**
 * Return what does a button's action, and whose answer was voted for.
 * @param {object} props
 * @param {import('../page-state.js').PageState} props.pageState
 * @param {import('./run-record.js').RunRecord} props.record
 * @param {Screen} props.screen
 * @param {(message: string, agentId: string | null, instead?: string | null) => void} props.askAgain *agentId*: null if it is hidden; *instead*: in place of that run.
 * @param {(agentId: string) => void} props.vary
 * @returns {{act: (action: string, value?: string, run?: string) => void, best: string | null}}
 */
export function useActions({ pageState, record, screen, askAgain, vary }) {
  const [best, setBest] = useState(() => votes.all()[record.id] ?? null);
  const stopped = useRef(/** @type {Map<string, number>} */ (new Map()));
  const { setOrder, hidden, setHidden, maximised, setMaximised } = screen;
  const source = screen.replay ?? record;
  const notFetched = () => pageState.say(NOT_FETCHED);
  const configured = (/** @type {string} */ id) => (record.blind ? (record.revealed?.[id]?.configured ?? null) : id);
  const place = record.given?.base?.id ?? record.id;
  const askInstead = (/** @type {string | null} */ agentId, run = place) => {
    const earlier = pageState.getState().earlier.find(({ run_id }) => run_id === run);
    askAgain(earlier?.message ?? record.about.message, agentId, run);
  };
  /** @type {Record<string, (value: string, run?: string) => unknown>} */
  const actions = {
    stop(id) {
      stopped.current.set(id, performance.now());
      return pageState.steer((run) => run.cancel(id));
    },
    retry(id) {
      const settled = performance.now() - (stopped.current.get(id) ?? -Infinity) > DOUBLE_CLICK_MS;
      return settled && pageState.steer((run) => run.retry(id));
    },
    add: (id) => pageState.steer((run) => run.add(id)),
    'stop-all': () => pageState.steer((run) => run.cancel()),
    again: (id) => askAgain(record.about.message, configured(id)),
    edit: (run) => askInstead(null, run || place),
    anew: (id, run) => askInstead(configured(id), run),
    left(id) {
      const ids = [...document.querySelectorAll('.column')].map((column) => column.getAttribute('data-agent') ?? '');
      const at = ids.indexOf(id);
      // Past those that are hidden, which nobody sees it pass.
      const to = ids.findLastIndex((other, n) => n < at && !hidden.includes(other));
      if (to >= 0) setOrder([...ids.slice(0, to), id, ...ids.slice(to, at), ...ids.slice(at + 1)]);
      announce(`${source.getAgent(id)?.title} is column ${to + 1}`);
      // An element that is moved loses the focus.
      requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(`.column[data-agent="${id}"] :is(.move-left, .maximise)`))?.focus());
    },
    copy: (id) => copyText(answerOf(source.getAgent(id) ?? NOTHING).text).then(() => announce('Copied')),
    'copy-last': (id) => copyText(source.getAgent(id)?.text ?? '').then(() => announce('Copied')),
    hide: (id) => setHidden([...hidden, id]),
    show: (id) => setHidden(hidden.filter((other) => other !== id)),
    maximise: (id) => setMaximised(maximised === id ? null : id),
    vote(id) {
      const next = best === id ? null : id;
      const mark = (/** @type {string | null} */ choice) => {
        votes.set(record.id, choice);
        setBest(choice);
      };
      mark(next);
      // A recorded run is no server's, and what has revealed a blind run's names stands there.
      if (!record.demo && (!record.blind || (record.namesHidden && next !== null))) void pageState.vote(next).then((kept) => kept || setTimeout(() => mark(best), LEFT_MS));
      announce(next === null ? 'Vote taken back' : `Voted for ${VERDICTS[next] ?? source.getAgent(id)?.title}`);
    },
    vary: (id) => vary(id),
    export: (kind) => import('../history/export.js').then(({ exportAs }) => exportAs(kind, record), notFetched),
    replay: () =>
      import('../timeline/replay.js').then(({ Replay }) => {
        const again = new Replay(record.events, { id: record.id, message: record.about.message }, record.joined);
        screen.setReplay(again);
        screen.changeLayout({ timeline: true });
        again.play();
      }, notFetched),
  };
  return { act: (action, value = '', run = undefined) => void actions[action]?.(value, run), best };
}
