// Asks several agents at once with the AI SDK's own useChat: a column per agent, and a stop button in each.
// Run: npm install && npm run dev (see README.md)
import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';
import { useMemo } from 'react';

export function App({ server = '' }) {
  const api = `${server}/v1/ai-sdk/chat`;
  const transport = useMemo(() => new DefaultChatTransport({ api, body: { model: 'default' } }), [api]);
  const { id, messages, sendMessage, status, error } = useChat({ transport });
  const busy = status === 'submitted' || status === 'streaming';
  const answer = messages.findLast((message) => message.role === 'assistant');

  const ask = (event) => {
    event.preventDefault();
    sendMessage({ text: new FormData(event.currentTarget).get('message') });
  };
  const stop = (path) => fetch(`${server}${path}`, { method: 'POST' });

  return (
    <main>
      <h1>Ask several agents</h1>
      <form onSubmit={ask}>
        <label htmlFor="message">Question</label>
        <textarea id="message" name="message" required rows={2} defaultValue="Tea or coffee?" />
        <button disabled={busy}>Ask</button>
        <button type="button" disabled={!busy} onClick={() => stop(`/v1/ai-sdk/chat/${id}/stop`)}>
          Stop all
        </button>
      </form>
      {error && <p role="alert">{error.message}</p>}
      <div className="columns">
        {answer?.metadata?.agents?.map((agent) => (
          <Column
            key={agent.agent_id}
            agent={agent}
            parts={answer.parts}
            onStop={() => stop(`/v1/runs/${answer.metadata.run_id}/agents/${agent.agent_id}/cancel`)}
          />
        ))}
      </div>
    </main>
  );
}

/** One agent: every part of the message says whose it is. */
function Column({ agent, parts, onStop }) {
  const about = parts.find((part) => part.type === 'data-agent' && part.id === agent.agent_id)?.data;
  const status = about?.status ?? 'queued';
  const own = (part) => part.providerMetadata?.orchestrator?.agent_id === agent.agent_id;
  const text = parts.filter((part) => part.type === 'text' && own(part)).map((part) => part.text);
  return (
    <section aria-label={agent.title}>
      <h2>{agent.title}</h2>
      <p>{about?.message ? `${status}: ${about.message}` : status}</p>
      <pre>{text.join('')}</pre>
      {status === 'running' && <button onClick={onStop}>Stop {agent.title}</button>}
    </section>
  );
}
