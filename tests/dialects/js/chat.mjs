// Drives the AI SDK's own Chat, unmodified, as a page would; returns what it holds in the end.

const PACKAGES = { 5: ["ai5", "ai5-react"], 6: ["ai6", "ai6-react"], 7: ["ai", "@ai-sdk/react"] };

/**
 * What a connection that was lost is called: "network error" by browsers, which `ai` 5 takes for a stream that will go on
 * where it was; by any other name, as the handbook has it for a page on 5, it takes the replay for a new stream.
 */
const fetchThatCallsLoss = (name) => async (...given) => {
  const response = await fetch(...given);
  const reader = response.body?.getReader();
  if (!reader) return response;
  const body = new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error.message === "terminated" ? new TypeError(name) : error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, response);
};

/** `wanted`: {"body":…, "approve":…, "cutWhen":…, "stopWhen":…, "text":…} */
export default async function run(version, url, wanted) {
  const [core, react] = PACKAGES[version];
  const { Chat } = await import(react);
  const { DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses } = await import(core);

  const errors = [];
  const transport = new DefaultChatTransport({
    api: `${url}/v1/ai-sdk/chat`,
    body: wanted.body,
    headers: wanted.headers,
    fetch: fetchThatCallsLoss(version === "5" ? "connection lost" : "network error"),
    prepareReconnectToStreamRequest: ({ id }) => ({ api: `${url}/v1/ai-sdk/chat/${id}/stream` }),
  });
  const chat = new Chat({
    id: wanted.id ?? "chat1",
    transport,
    messages: wanted.messages ?? [],
    onError: (error) => errors.push(String(error?.message ?? error)),
    ...(wanted.approve === undefined
      ? {}
      : { sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses }),
  });

  function text() {
    return JSON.stringify(chat.messages.at(-1)?.parts ?? []);
  }

  async function until(condition) {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  if (wanted.resume) {
    await chat.resumeStream();
  } else {
    const sent = chat.sendMessage({ text: wanted.text ?? "hi" });
    if (wanted.stopWhen) {
      await until(() => text().includes(wanted.stopWhen));
      await fetch(`${url}/v1/ai-sdk/chat/${chat.id}/stop`, { method: "POST" });
    }
    if (wanted.cutWhen) {
      await until(() => text().includes(wanted.cutWhen));
      await chat.stop();
      await sent;
      await chat.resumeStream();
    }
    await sent;
    if (wanted.takeUp) await chat.resumeStream();
  }
  if (wanted.approve !== undefined) {
    const asked = chat.messages.at(-1).parts.filter((part) => part.state === "approval-requested");
    for (const part of asked) {
      await chat.addToolApprovalResponse({ id: part.approval.id, approved: wanted.approve });
    }
    await until(() => chat.status === "ready" && !text().includes("approval-re") && text().includes(wanted.until));
  }
  return { messages: chat.messages, status: chat.status, errors };
}
