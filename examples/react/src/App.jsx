import { useRun } from 'fanin-client/react';
import { useEffect, useState } from 'react';

import { Column } from './Column.jsx';

/** Asks, and shows a column per agent. The run's id stands in the address, so a reload goes on with it. */
export function App({ client }) {
  const [runId] = useState(() => location.hash.slice(1) || undefined);
  const { run, status, agentIds, connection, detail, error, start, cancel, retry } = useRun({ client, runId });

  useEffect(() => {
    if (run) history.replaceState(null, '', `#${run.id}`);
  }, [run]);

  const ask = (event) => {
    event.preventDefault();
    start({ message: new FormData(event.currentTarget).get('message') });
  };

  return (
    <main>
      <h1>Ask several agents</h1>
      <form onSubmit={ask}>
        <label htmlFor="message">Question</label>
        <textarea id="message" name="message" required rows={2} defaultValue="What could go wrong on a first night sail?" />
        <button disabled={status === 'starting'}>Ask</button>
        <button type="button" disabled={status !== 'running'} onClick={() => cancel()}>
          Stop all
        </button>
      </form>
      <p role="status">
        {status}
        {connection && connection !== 'closed' && ` · ${connection}`}
        {detail && ` · ${detail.message}`}
      </p>
      {error && <p role="alert">{error.message}</p>}
      <div className="columns">
        {agentIds.map((id) => (
          <Column key={id} run={run} agentId={id} open={status === 'running'} onStop={cancel} onRetry={retry} />
        ))}
      </div>
    </main>
  );
}
