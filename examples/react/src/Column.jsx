import { useAgent } from 'fanin-client/react';

/** One agent. Its tokens draw this column and no other. */
export function Column({ run, agentId, open, onStop, onRetry }) {
  const agent = useAgent(run, agentId);
  if (!agent) return null;
  const live = agent.status === 'queued' || agent.status === 'running';
  const failed = agent.status === 'error' || agent.status === 'cancelled';
  return (
    <section data-agent={agentId} aria-label={agent.title}>
      <h2>{agent.title}</h2>
      <p className="state">
        {agent.status}
        {agent.note && ` · ${agent.note}`}
        {agent.metrics?.ttft_ms != null && ` · first word after ${agent.metrics.ttft_ms} ms`}
      </p>
      <button disabled={!live} onClick={() => onStop(agentId)}>
        Stop
      </button>
      {failed && open && <button onClick={() => onRetry(agentId)}>Again</button>}
      {agent.reasoning && (
        <details>
          <summary>Reasoning</summary>
          {agent.reasoning}
        </details>
      )}
      {agent.tools.map((tool) => (
        <p key={tool.call_id} className="tool">
          <code>{tool.name}</code> {tool.output ?? '…'}
        </p>
      ))}
      <div className="text">{agent.text}</div>
      {agent.error && <p role="alert">{agent.error.message}</p>}
    </section>
  );
}
