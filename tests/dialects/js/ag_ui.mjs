// Drives AG-UI's own HttpAgent, unmodified; returns its events, its messages and its failure.

/** `wanted`: {"model":…, "runId":…, "resume":…, "cancelWhen":…} */
export default async function run(version, url, wanted) {
  const { HttpAgent } = await import(version === "0" ? "ag-ui-client-0" : "@ag-ui/client");

  const events = [];
  let failure = null;
  const agent = new HttpAgent({ url: `${url}/v1/ag-ui/${wanted.model}`, threadId: wanted.threadId ?? "thread1", headers: wanted.headers ?? {} });
  agent.addMessage?.({ id: "m1", role: "user", content: "hi" });
  const input = { runId: wanted.runId ?? "run1", ...(wanted.resume ? { resume: wanted.resume } : {}) };
  let isCancelled = false;
  try {
    await agent.runAgent(input, {
      onEvent: ({ event }) => {
        events.push(event);
        if (wanted.cancelWhen && !isCancelled && JSON.stringify(event).includes(wanted.cancelWhen)) {
          isCancelled = true;
          fetch(`${url}/v1/ag-ui/runs/${input.runId}/cancel`, { method: "POST" });
        }
      },
      onRunFailed: ({ error }) => {
        failure = String(error?.message ?? error);
      },
    });
  } catch (error) {
    failure ??= String(error?.message ?? error);
  }
  return { events, messages: agent.messages, failure };
}
