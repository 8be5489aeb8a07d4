/** Draws the controls of a run that is played again. */

import { html, useValue } from '../html.js';
import { IconButton } from '../icons.js';
import { duration } from '../words.js';

const SPEEDS = [0.5, 1, 2, 5];

/** @param {{replay: import('./replay.js').Replay, leave: () => void}} props */
export function ReplayBar({ replay, leave }) {
  const { t, playing, speed } = useValue(replay.subscribe, replay.getView);
  const move = (/** @type {any} */ event) => replay.seek(Number(event.target.value));
  return html`<div class="replay" role="group" aria-label="Replay">
    <${IconButton}
      icon=${playing ? 'pause' : 'play'}
      filled
      label=${playing ? 'Pause' : 'Play'}
      onClick=${() => (playing ? replay.pause() : replay.play())}
    />
    <input
      type="range"
      aria-label="Position"
      aria-valuetext=${`${duration(t)} of ${duration(replay.length)}`}
      min="0"
      max=${replay.length}
      value=${t}
      onInput=${move}
    />
    <span class="hint">${duration(t)} / ${duration(replay.length)}</span>
    <label class="speed"><span class="unseen">Speed</span>
      <select value=${String(speed)} onChange=${(/** @type {any} */ event) => replay.setSpeed(Number(event.target.value))}>
        ${SPEEDS.map((n) => html`<option key=${n} value=${String(n)}>${n}×</option>`)}
      </select>
    </label>
    <button type="button" class="menu-button" onClick=${leave}>Leave replay</button>
  </div>`;
}
