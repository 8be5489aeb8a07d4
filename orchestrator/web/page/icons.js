/** Draws the page's few icons, as inline SVG in the colour of the text. */

import { html } from './html.js';

const PATHS = {
  stop: 'M7 7h10v10H7z',
  retry: 'M20 11a8 8 0 1 0-2.3 6M20 5v6h-6',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  star: 'm12 4 2.5 5.2 5.5.8-4 4 1 5.6-5-2.7-5 2.7 1-5.6-4-4 5.5-.8z',
  expand: 'M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5',
  shrink: 'M4 9h5V4M20 9h-5V4M4 15h5v5M20 15h-5v5',
  hide: 'M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6M4 20 20 4',
  plus: 'M12 5v14M5 12h14',
  close: 'm6 6 12 12M18 6 6 18',
  history: 'M4 6v5h5M4.5 11a8 8 0 1 1 .5 4M12 8v5l3 2',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M19 5l-1.5 1.5M6.5 17.5 5 19',
  moon: 'M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5',
  auto: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 3v18M15 4.500v15M18 6.500v11',
  help: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.4-1 .9-1 1.7M12 16.5v.5',
  download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
  timeline: 'M4 6h9M8 12h10M6 18h14',
  sync: 'M8 4v16M4 8l4-4 4 4M16 20V4M12 16l4 4 4-4',
  compare: 'M4 5h7v14H4zM13 5h7v14h-7M6.500 9h2M15.500 9h2M15.500 13h2',
  play: 'm7 4 13 8-13 8z',
  pause: 'M7 5h3v14H7zM14 5h3v14h-3z',
  down: 'M12 5v14M6 13l6 6 6-6',
  up: 'M12 19V5M6 11l6-6 6 6',
  panel: 'M12 4v3M5 7h14M5 7l-2 7h5zM19 7l-3 7h5zM12 7v12M8 20h8',
  chevron: 'm7 10 5 5 5-5',
  sets: 'M4 7h10M4 12h10M4 17h10M18 6v12',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  attach: 'm8 12 6-6a3 3 0 0 1 4 4l-8 8a5 5 0 0 1-7-7l7-7',
  left: 'M19 12H5M11 6l-6 6 6 6',
  vary: 'M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4',
  pin: 'M9 4h6l-1 7 3 3H7l3-3zM12 14v6',
  search: 'M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M16 16l4 4',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  send: 'M4 12 20 4l-5 16-4-7z',
};

/** @param {{name: keyof typeof PATHS, filled?: boolean}} props */
export function Icon({ name, filled = false }) {
  return html`<svg class=${filled ? 'icon filled' : 'icon'} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}

/**
 * A button that shows only a drawing; its name is said and is the hint.
 * @param {{icon: keyof typeof PATHS, label: string, filled?: boolean} & Record<string, any>} props
 */
export function IconButton({ icon, label, filled = false, class: extra = '', ...rest }) {
  return html`<button type="button" class=${`icon-button ${extra}`} aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${icon} filled=${filled} />
  </button>`;
}
