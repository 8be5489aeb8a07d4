// Follows one run with EventSource and no library. Open: http://127.0.0.1:8000 (see serve.py)
//
// The run's id stands in the page's address. After a reload the stream begins with the run's first event, so
// the columns fill up again and go on; after a lost connection the browser itself comes back with the id it saw
// last (Last-Event-ID). At the run's end the server closes the stream, the browser asks once more, and 204 tells
// it to stop for good.

/** Where the orchestrator is: serve.py knows it from ORCHESTRATOR_SERVER. */
const server = await fetch('server').then((answer) => answer.text());
const form = document.querySelector('form');
const state = document.querySelector('#state');
const main = document.querySelector('main');
const template = document.querySelector('template');

/** The open stream, if any. */
let source = null;
/** Agent's id → its column. */
const columns = new Map();

async function post(path, body) {
  const response = await fetch(server + path, {
    method: 'POST',
    headers: body ? { 'Content-Type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? answer.title);
  return answer;
}

/** Run *action* and say what went wrong, if anything did. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    // fetch says no more than TypeError where the server is away, and where it does not allow this page.
    state.textContent = error instanceof TypeError ? `${server} is away, or was started without --allow-origin ${location.origin}` : error.message;
  }
}

function follow() {
  source?.close();
  columns.clear();
  main.replaceChildren();
  state.textContent = '';
  const runId = location.hash.slice(1);
  if (!runId) return;
  let status = 'running';

  // `framing=message` leaves the events' names out: EventSource has no listener for *all* names, and onmessage
  // gets what has none. The names are in the data, too.
  source = new EventSource(`${server}/v1/runs/${encodeURIComponent(runId)}/events?framing=message`);
  source.onopen = () => { state.textContent = status; };
  source.onerror = () => {
    if (source.readyState === EventSource.CONNECTING) {
      if (status === 'running') state.textContent = 'connection lost, coming back …';
    } else {
      // CLOSED: 204, or a refusal; an EventSource is not told which. A run that has ended needs no more.
      state.textContent = status === 'running' ? `the server has no such run, or was started without --allow-origin ${location.origin}` : status;
    }
  };
  source.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.agent_id) {
      showAgent(column(runId, event.agent_id), event);
      return;
    }
    if (event.type === 'started') event.agents.forEach((agent) => column(runId, agent.agent_id, agent.title));
    if (event.type === 'agent_added') column(runId, event.agent.agent_id, event.agent.title);
    if (event.type === 'snapshot') showSnapshot(runId, event);
    if (event.type === 'done' || event.type === 'snapshot') state.textContent = status = event.status;
  };
}

/** After a gap: the texts as they stand replace what was there. */
function showSnapshot(runId, snapshot) {
  for (const [agentId, agent] of Object.entries(snapshot.agents)) {
    const { text, note, stop } = column(runId, agentId);
    text.textContent = agent.text;
    note.textContent = agent.status;
    stop.disabled = ['done', 'error', 'cancelled'].includes(agent.status);
  }
}

function showAgent({ text, note, stop }, event) {
  switch (event.type) {
    case 'started':
    case 'retry': // what was said in an attempt that failed is void
      text.textContent = '';
      note.textContent = event.type;
      stop.disabled = false;
      break;
    case 'token':
      if (!event.parent) text.append(event.text); // a text node: whatever an agent says, it is no markup
      break;
    case 'status':
      note.textContent = event.detail || event.status;
      break;
    case 'tool_call':
      note.textContent = `uses ${event.name}`;
      break;
    case 'done':
    case 'error':
    case 'cancelled':
      note.textContent = event.message ?? event.type;
      stop.disabled = true;
      break;
  }
}

/** Return the agent's column; make it on first mention. */
function column(runId, agentId, title = agentId) {
  if (!columns.has(agentId)) {
    const article = template.content.cloneNode(true).firstElementChild;
    const [heading, note, stop, text] = ['h2', 'small', 'button', 'p'].map((name) => article.querySelector(name));
    article.dataset.agent = agentId;
    heading.textContent = title;
    stop.onclick = () => {
      stop.disabled = true;
      attempt(() => post(`/v1/runs/${encodeURIComponent(runId)}/agents/${agentId}/cancel`));
    };
    main.append(article);
    columns.set(agentId, { text, note, stop });
  }
  return columns.get(agentId);
}

form.onsubmit = (submit) => {
  submit.preventDefault();
  attempt(async () => {
    const run = await post('/v1/runs', { message: form.message.value });
    location.hash = run.run_id;
  });
};
addEventListener('hashchange', follow);
follow();
