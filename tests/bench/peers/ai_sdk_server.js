// The AI SDK's way: a route that merges `streamText` of each agent into one UI message stream, on node's own server.
import { createServer } from "node:http";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createUIMessageStream, pipeUIMessageStreamToResponse, streamText } from "ai";

const upstream = process.argv[process.argv.indexOf("--upstream") + 1];
const provider = createOpenAICompatible({ name: "bench", baseURL: upstream, apiKey: "none" });

const server = createServer((request, response) => {
  const plan = JSON.parse(new URL(request.url, "http://bench").searchParams.get("plan"));
  const stream = createUIMessageStream({
    execute({ writer }) {
      for (let n = 0; n < plan.agents; n++) {
        const result = streamText({ model: provider(plan.model), prompt: "go", maxRetries: 0 });
        writer.merge(result.toUIMessageStream());
      }
    },
  });
  pipeUIMessageStreamToResponse({ response, stream });
});
server.listen(0, "127.0.0.1", 2048, () => console.log(`http://127.0.0.1:${server.address().port}`));
