// Asks several agents with AG-UI's own client, as CopilotKit does: each agent is a subagent of the run.
// Run: cd examples/ag_ui && npm install && node ask.mjs "Tea or coffee?"

import { HttpAgent } from "@ag-ui/client";

const server = process.env.ORCHESTRATOR_SERVER ?? "http://127.0.0.1:8080";
const token = process.env.ORCHESTRATOR_TOKEN;
const [question = "Tea or coffee?", model = "default"] = process.argv.slice(2);

const agent = new HttpAgent({
  url: `${server}/v1/ag-ui/${model}`,
  headers: token ? { Authorization: `Bearer ${token}` } : {},
});
agent.addMessage({ id: "question", role: "user", content: question });

const names = new Map(); // a subagent's run → the agent's title
const texts = new Map(); // the same → what it has said

await agent.runAgent(
  {},
  {
    onEvent({ event }) {
      const id = event.subagentRunId;
      if (event.type === "SUBAGENT_STARTED") {
        names.set(id, event.description);
        texts.set(id, "");
      } else if (event.type === "TEXT_MESSAGE_CONTENT") {
        texts.set(id, texts.get(id) + event.delta);
      } else if (event.type === "SUBAGENT_FINISHED") {
        console.log(`${names.get(id)} (${event.result.status}): ${texts.get(id)}\n`);
      } else if (event.type === "SUBAGENT_ERROR") {
        console.log(`${names.get(id)} failed (${event.code}): ${event.message}\n`);
      }
    },
    onRunErrorEvent({ event }) {
      console.error(event.message);
      process.exitCode = 1;
    },
  },
);
