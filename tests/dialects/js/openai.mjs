// Drives the OpenAI client for JavaScript, unmodified; returns what it was told.

import OpenAI from "openai";

/** A fetch whose answer's body breaks after so many bytes. */
const cutAfter = (bytes) => async (...given) => {
  const response = await fetch(...given);
  const reader = response.body.getReader();
  let left = bytes;
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value.subarray(0, left));
      left -= value.length;
      if (left <= 0) controller.error(new TypeError("network error"));
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, response);
};

/** `cuts` are the bytes after which a stream is cut. */
export default async function run(url, model, cuts) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const told = {};

  const stream = client.responses.stream({ model, input: "hi" });
  const kinds = new Set();
  for await (const event of stream) kinds.add(event.type);
  const final = await stream.finalResponse();
  told.kinds = [...kinds];
  told.response = { id: final.id, status: final.status, output: final.output };

  const whole = [];
  for await (const event of await client.responses.retrieve(final.id, { stream: true })) whole.push(event);
  const cut = Math.floor(whole.length / 2);
  const rest = [];
  const resumed = { stream: true, starting_after: whole[cut].sequence_number };
  for await (const event of await client.responses.retrieve(final.id, resumed)) rest.push(event);
  told.resumed = JSON.stringify(rest) === JSON.stringify(whole.slice(cut + 1));

  told.cut = [];
  for (const bytes of cuts) {
    const cutting = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, fetch: cutAfter(bytes) });
    const seen = [];
    let failure = null;
    try {
      for await (const event of await cutting.responses.retrieve(final.id, { stream: true })) seen.push(event);
    } catch (error) {
      failure = String(error.message);
    }
    const after = seen.length ? { starting_after: seen.at(-1).sequence_number } : {};
    for await (const event of await client.responses.retrieve(final.id, { stream: true, ...after })) seen.push(event);
    told.cut.push({ failure, whole: JSON.stringify(seen) === JSON.stringify(whole) });
  }

  const four = client.responses.stream({ model: "chatty+tooled+broken+endless", input: "hi" });
  let runId = null;
  let isStopped = false;
  told.thoughts = "";
  for await (const event of four) {
    if (event.type === "response.created") runId = event.response.metadata.run_id;
    if (event.type === "response.reasoning_summary_text.delta") told.thoughts += event.delta;
    if (!isStopped && event.type === "response.output_text.delta" && event.item_id.includes("_endless_")) {
      isStopped = true;
      await fetch(`${url}/v1/runs/${runId}/agents/endless/cancel`, { method: "POST" });
    }
  }
  const messages = (await four.finalResponse()).output.filter((item) => item.type === "message");
  told.four = Object.fromEntries(
    messages.map((item) => [item.agent.agent_name, { status: item.status, text: item.content[0].text }]),
  );
  told.fourRun = runId;

  const chat = await client.chat.completions.create({
    model,
    stream: true,
    messages: [{ role: "user", content: "hi" }],
  });
  told.chat = {};
  for await (const chunk of chat) {
    for (const choice of chunk.choices) {
      told.chat[choice.index] = (told.chat[choice.index] ?? "") + (choice.delta.content ?? "");
    }
  }
  const failing = client.responses.stream({ model: "broken+failing", input: "hi" });
  for await (const event of failing) told.failed = event.type === "response.failed" ? event.response.error : undefined;

  const running = await client.responses.create({ model: "endless", input: "hi", background: true });
  const cancelled = await client.responses.cancel(running.id);
  told.cancelled = { before: running.status, after: cancelled.status };

  const asked = await client.responses.create({ model: "asking", input: "hi" });
  const question = asked.output.find((item) => item.type === "mcp_approval_request");
  const answer = { type: "mcp_approval_response", approval_request_id: question.id, approve: true };
  const answered = await client.responses.create({ model: "asking", input: [answer], previous_response_id: asked.id });
  told.answered = [asked.output_text, answered.output_text];

  try {
    await client.responses.create({ model: "nobody", input: "hi" });
  } catch (error) {
    told.refused = { status: error.status, message: error.message };
  }
  return told;
}
