// Drives the OpenAI client for JavaScript, unmodified; returns what it was told.

import OpenAI from "openai";

export default async function run(url, model) {
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
