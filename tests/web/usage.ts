/** What a TypeScript program sees of the client through the declarations that ship. Compiled, never run. */

import { ClientError, createClient } from 'fanin-client';
import { SseParser } from 'fanin-client/parser';
import { useAgent, useRun } from 'fanin-client/react';

export async function ask(): Promise<string> {
  const client = createClient({ baseUrl: 'http://127.0.0.1:8080', token: null });
  const run = await client.start({ message: 'hi', agents: ['a'], on_disconnect: 'cancel', throttle: 0 });
  const leave: () => void = run.on('token', ({ data }) => void data);
  for await (const event of run) {
    const id: string | null = event.id;
    if (id !== null && event.agent_id === null) break;
  }
  leave();
  await run.cancel('a');
  await run.approve('a', 'call', false);
  const connection: 'connecting' | 'open' | 'retrying' | 'closed' = run.getSnapshot().connection;
  const agent = run.getAgent('a');
  const { agents } = await run.result();
  const council = await client.start({ message: 'hi', panel: { method: 'judge', moderator: 'a', start_when: { quorum: 1 } } });
  const stage: 'panel' | 'review' | 'final' | 'round' | 'layer' | null = council.getAgent('a')?.stage ?? null;
  const over = await council.callPanel((await client.panels())[0]?.panel_id ?? 'council');
  const winner: string | null = over.panel?.result?.winner ?? stage;
  if (winner !== null) return (agent?.turns[0]?.text ?? '') + (agent?.inputs[0]?.of_chars ?? 0);
  // @ts-expect-error A panel has a method.
  await run.callPanel({ moderator: 'a' });
  // @ts-expect-error A state is read, not written.
  run.agents = {};
  // @ts-expect-error A start needs a message.
  await client.start({ agents: ['a'] });
  // @ts-expect-error This status does not exist.
  if (agent?.status === 'finished') return '';
  const failure: ClientError | null = run.failure;
  return connection + (agents.a?.tools[0]?.output ?? '') + (failure?.status ?? 0) + client.attach(run.id).id;
}

export function Column({ client }: { client: ReturnType<typeof createClient> }): string | undefined {
  const { run, status, agentIds, start, cancel } = useRun({ client, throttle: 100 });
  const agent = useAgent(run, agentIds[0] ?? '');
  void start({ message: status }).then((started) => started?.id);
  void cancel();
  return agent?.text;
}

export const parsed: string | undefined = new SseParser().feed('data: x\n\n')[0]?.data;
