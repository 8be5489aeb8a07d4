/**
 * Gives React components a run and its agents: `useRun`, `useAgent`. All logic is `session.js`'s. For React 18 and
 * later.
 */

import { useEffect, useMemo, useSyncExternalStore } from 'react';

import { Session } from './session.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./run.js').Run} Run */
/** @typedef {import('./types.js').AgentState} AgentState */

/**
 * Show one run: the one that `start` starts, or the one that *runId* names. Unmounting leaves it, and cancels
 * nothing. Changes rarely: tokens concern `useAgent` alone.
 * @param {{client: Client, runId?: string | null, throttle?: number}} options
 */
export function useRun({ client, runId, throttle }) {
  const session = useMemo(() => new Session(client, throttle), [client, throttle]);
  useEffect(() => {
    if (runId !== undefined) session.attach(runId);
  }, [session, runId]);
  useEffect(() => session.detach, [session]);
  const state = useSyncExternalStore(session.subscribe, session.getSnapshot, session.getSnapshot);
  const { start, cancel, retry, add } = session;
  return { ...state, start, cancel, retry, add };
}

/**
 * Show one agent of a run; call it in the agent's own column, so that a token draws that column alone.
 * @param {Run | null} run
 * @param {string} agentId
 * @returns {AgentState | undefined} undefined until the run knows the agent.
 */
export function useAgent(run, agentId) {
  const getAgent = () => run?.getAgent(agentId);
  return useSyncExternalStore(run?.subscribe ?? subscribeToNothing, getAgent, getAgent);
}

const subscribeToNothing = () => () => {};
