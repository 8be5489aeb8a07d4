// The page: asks, and shows one column per agent. Owns no protocol beyond EventSource's own.
// @ts-check

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const GLYPHS = { queued: "○", running: "●", cancelling: "◌", done: "✓", error: "✗", cancelled: "■" };

/** @type {Map<string, ReturnType<typeof makeColumn>>} */
const columns = new Map();
/** @type {AbortController | null} */
let following = null;
let runId = "";

const headers = () => {
  const token = byId("token").value;
  return token ? { Authorization: `Bearer ${token}` } : /** @type {Record<string, string>} */ ({});
};

async function call(/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body) {
  const response = await fetch(path, {
    method,
    headers: { ...headers(), ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  if (response.status === 401) byId("token-row").hidden = false;
  if (!response.ok) throw new Error((await response.json()).detail);
  return response.json();
}

function makeColumn(/** @type {{agent_id: string, title: string, model: string | null}} */ agent) {
  const node = byId("column").content.cloneNode(true).firstElementChild;
  const find = (/** @type {string} */ selector) => node.querySelector(selector);
  find("h2").textContent = agent.model ? `${agent.title} · ${agent.model}` : agent.title;
  find(".stop").addEventListener("click", () =>
    call("POST", `/v1/runs/${runId}/agents/${agent.agent_id}/cancel`).catch(say));
  byId("columns").append(node);
  return {
    state(/** @type {keyof GLYPHS} */ status) {
      find(".glyph").textContent = GLYPHS[status];
      find(".word").textContent = status;
      find(".stop").disabled = status !== "queued" && status !== "running";
    },
    clear() { for (const s of [".text", ".reasoning pre", ".tools", ".error", ".numbers"]) find(s).textContent = ""; },
    text(/** @type {string} */ text) {
      const box = find(".text");
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
      box.append(text);
      if (atEnd) box.scrollTop = box.scrollHeight;
    },
    reason(/** @type {string} */ text) { find(".reasoning").hidden = false; find(".reasoning pre").append(text); },
    tool(/** @type {string} */ text) {
      const item = document.createElement("li");
      item.textContent = text;
      find(".tools").append(item);
    },
    error(/** @type {string} */ text) { find(".error").textContent = text; },
    numbers(/** @type {any} */ m) {
      const parts = [m.ttft_ms === null ? null : `first token ${m.ttft_ms} ms`, `${(m.duration_ms / 1000).toFixed(1)} s`,
        m.tokens_per_s === null ? null : `${m.tokens_per_s} tokens/s`];
      find(".numbers").textContent = parts.filter(Boolean).join(" · ");
    },
  };
}

function join(/** @type {any} */ agent) {
  if (!columns.has(agent.agent_id)) columns.set(agent.agent_id, makeColumn(agent));
}

function apply(/** @type {any} */ event) {
  if (event.agent_id === undefined) return applyRun(event);
  const column = columns.get(event.agent_id);
  if (!column) return;
  switch (event.type) {
    case "started": column.clear(); column.state("running"); break;
    case "retry": column.clear(); column.state("queued"); break;
    case "token": column.text(event.text); break;
    case "reasoning": column.reason(event.text); break;
    case "tool_call": column.tool(`${event.name}(${event.arguments})`); break;
    case "tool_result": column.tool(`→ ${event.output}`); break;
    case "error": column.error(`${event.code}: ${event.message} (${event.error_id})`); // falls through
    case "done": case "cancelled": column.state(event.type); column.numbers(event.metrics); break;
  }
}

function applyRun(/** @type {any} */ event) {
  if (event.type === "started") event.agents.forEach(join);
  if (event.type === "agent_added") join(event.agent);
  if (event.type === "snapshot") {
    for (const [id, agent] of Object.entries(event.agents)) {
      join({ agent_id: id, title: id, model: null });
      columns.get(id)?.clear();
      columns.get(id)?.text(/** @type {any} */ (agent).text);
      columns.get(id)?.state(/** @type {any} */ (agent).status);
    }
  }
  if (event.type === "done") { say(`The run is ${event.status}.`); byId("stop-all").disabled = true; }
}

/** Follow with fetch where a token must go into a header, else with the browser's own EventSource. */
function follow(/** @type {string} */ id) {
  following?.abort();
  const stop = following = new AbortController();
  const source = new EventSource(`/v1/runs/${id}/events?framing=message`);
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    apply(event);
    if (event.agent_id === undefined && event.type === "done") source.close();
  };
  stop.signal.addEventListener("abort", () => source.close());
}

const say = (/** @type {unknown} */ text) => { byId("notice").textContent = text instanceof Error ? text.message : String(text); };

byId("ask").addEventListener("submit", async (/** @type {Event} */ submit) => {
  submit.preventDefault();
  const chosen = [...document.querySelectorAll("#agents input:checked")].map((box) => /** @type {any} */ (box).value);
  try {
    const run = await call("POST", "/v1/runs", { message: byId("message").value, agents: chosen.length ? chosen : undefined });
    byId("columns").replaceChildren();
    columns.clear();
    runId = run.run_id;
    say("");
    byId("stop-all").disabled = false;
    follow(runId);
  } catch (error) { say(error); }
});
byId("stop-all").addEventListener("click", () => call("POST", `/v1/runs/${runId}/cancel`).catch(say));

call("GET", "/v1/agents").then(({ agents }) => {
  for (const agent of agents) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = agent.agent_id;
    box.checked = agent.default;
    label.append(box, ` ${agent.title}`);
    byId("agents").append(label);
  }
}).catch(say);
