/** Does what keys mean on the whole page. */

import { settings } from './storage.js';

/**
 * @typedef {object} KeyActions
 * @property {() => void} ask
 * @property {(agentId: string) => void} stop
 * @property {() => void} stopAll
 * @property {() => void} help
 */

/**
 * Hear keys until the returned function is called.
 * @param {KeyActions} actions
 * @returns {() => void}
 */
export function listenToKeys(actions) {
  const hear = (/** @type {KeyboardEvent} */ event) => {
    // What is typed into a field comes first: to look for a dialog is a walk through all that is drawn.
    if (event.defaultPrevented || isWriting(event) || document.querySelector('dialog[open]')) return;
    // A key that is held down is pressed once, and one that ends a composition is the input method's.
    if (event.repeat || event.isComposing) return;
    if (handle(event, actions)) event.preventDefault();
  };
  document.addEventListener('keydown', hear);
  return () => document.removeEventListener('keydown', hear);
}

/**
 * @param {KeyboardEvent} event
 * @param {KeyActions} actions
 * @returns {boolean} Whether the key meant something.
 */
function handle({ key, ctrlKey, metaKey, altKey, shiftKey, target }, actions) {
  if (key === 'Enter' && (ctrlKey || metaKey)) return (actions.ask(), true);
  if (key === 'Escape' && shiftKey) return (actions.stopAll(), true);
  if (key === 'Escape') {
    const agent = document.activeElement?.closest('[data-agent]')?.getAttribute('data-agent') ?? null;
    return agent !== null && (actions.stop(agent), true);
  }
  // WCAG 2.1.4: who speaks to the computer would press them with every word.
  if (ctrlKey || metaKey || altKey || isTyping(target) || !settings.get().singleKeys) return false;
  if (key === '?') return (actions.help(), true);
  if (key === '/') return focus(document.getElementById('message'));
  if (key === 'm') return press(focusedColumn()?.querySelector('.maximise'));
  return /^[1-9]$/.test(key) && goToColumn(Number(key));
}

/** @param {KeyboardEvent} event */
function isWriting({ key, ctrlKey, metaKey, altKey, target }) {
  return key.length === 1 && !ctrlKey && !metaKey && !altKey && isTyping(target);
}

/** @returns {HTMLElement | null} */
function focusedColumn() {
  return document.activeElement?.closest('.column') ?? null;
}

/** @param {number} n From 1; a column behind a tab is shown first. */
function goToColumn(n) {
  const tab = document.querySelectorAll('.tabs [role=tab]')[n - 1];
  if (tab instanceof HTMLElement) return press(tab) && focus(tab);
  const column = document.querySelectorAll('.column:not([hidden])')[n - 1];
  column?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  return focus(column);
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches('input:not([type=checkbox], [type=range]), textarea, select');
}

/** @param {Element | null | undefined} element */
function focus(element) {
  if (element instanceof HTMLElement) element.focus();
  return element instanceof HTMLElement;
}

/** @param {Element | null | undefined} element */
function press(element) {
  if (element instanceof HTMLElement) element.click();
  return element instanceof HTMLElement;
}
