/** A small server that speaks PROTOCOL over real sockets and does what a test tells it to. Holds no agent. */

import http from 'node:http';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const REFUSALS = {
  404: 'Unknown run.',
  410: 'The run was deleted.',
};

/** One channel's log and who reads it. */
class Channel {
  constructor(epoch) {
    this.epoch = epoch;
    this.entries = [];
    this.first = 1;
    this.readers = new Set();
  }

  get last() {
    return this.first + this.entries.length - 1;
  }

  id(seq) {
    return `${this.epoch}-${seq}`;
  }
}

export class ProtocolServer {
  #server = http.createServer((request, response) => void this.#handle(request, response));
  #runs = new Map();
  #channels = new Map();
  #keys = new Map();
  #gone = new Set();
  #count = 0;
  #epoch = 0;

  constructor() {
    /** Every request, as `{method, url, headers, body}`. */
    this.requests = [];
    /** Called before a request is answered; true: it has been dealt with. */
    this.intercept = () => false;
    /** Called with a new run before its start is answered. */
    this.onStart = () => {};
    /** Called with a run whose snapshot is taken, but not sent yet. */
    this.onSnapshot = () => {};
    this.retryMs = 5;
    /** Milliseconds between two frames of one write. */
    this.frameMs = 0;
    /** Bytes of a stream are written in pieces of this size. */
    this.pieceBytes = Infinity;
  }

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  async close() {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  // ── what a test does ───────────────────────────────────────────────────────────────────────────

  /** Streams that are open now. */
  get streams() {
    return [...this.#channels.values()].flatMap((channel) => [...channel.readers]);
  }

  run(runId) {
    return this.#runs.get(runId);
  }

  start(agents, { channel, message = 'hello', conversation_id = null, panel = null } = {}) {
    const id = `run_${String(++this.#count).padStart(4, '0')}`;
    const run = { id, channel: channel ?? id, conversation_id, message, status: 'running', agents: {}, last: null, t: 0 };
    if (panel !== null) run.panel = { ...panelInfo(panel, agents), stage: null, result: null, late: [] };
    for (const agent of agents) run.agents[agent] = { status: 'queued', attempt: 1, text: '', error: null };
    this.#runs.set(id, run);
    const infos = agents.map((agent) => info(agent));
    const about = panel === null ? {} : { panel: panelInfo(panel, agents) };
    this.#append(run, null, 'started', { run_id: id, channel: run.channel, agents: infos, ...about });
    return run;
  }

  /** Log one event of an agent, and fold it into the snapshot. */
  say(runId, agentId, type, data = {}) {
    const run = this.#runs.get(runId);
    const agent = run.agents[agentId];
    if (type === 'started') {
      const { attempt, stage, turn } = data;
      if (turn !== undefined && agent.turn !== turn && agent.turn) {
        const { turn, stage, attempt, status, text } = agent;
        agent.turns = [...(agent.turns ?? []), { turn, stage, attempt, status, text }];
      }
      Object.assign(agent, { status: 'running', attempt, text: '', error: null, stage, turn });
    }
    else if (type === 'token') agent.text += data.text;
    else if (type === 'retry') Object.assign(agent, { status: 'queued', attempt: data.attempt, text: '', error: null });
    else if (type === 'approval_request') agent.approvals = [...(agent.approvals ?? []), data];
    else if (type === 'approval') agent.approvals = agent.approvals.filter(({ call_id }) => call_id !== data.call_id);
    else if (type === 'done') agent.status = 'done';
    else if (type === 'cancelled') agent.status = 'cancelled';
    else if (type === 'error') Object.assign(agent, { status: 'error', error: data });
    this.#append(run, agentId, type, data);
  }

  /** Log one event of the run's panel, and fold it into the snapshot. */
  tell(runId, type, data) {
    const run = this.#runs.get(runId);
    if (data.info) run.panel = { ...data.info, stage: null, result: null, late: [] };
    if (type === 'stage') run.panel.stage = data.stage;
    else if (type === 'result') run.panel.result = data;
    else run.panel.late.push(data);
    this.#append(run, 'panel', type, data);
  }

  /** One agent's whole answer, a token per word. */
  answer(runId, agentId, text, attempt = 1, place = {}) {
    this.say(runId, agentId, 'started', { attempt, ...place });
    for (const word of text.match(/\s*\S+/g)) this.say(runId, agentId, 'token', { text: word });
    this.say(runId, agentId, 'done', { text, usage: null, finish_reason: 'stop', metrics: METRICS, attempt });
  }

  end(runId, status = 'completed') {
    const run = this.#runs.get(runId);
    run.status = status;
    const agents = Object.fromEntries(Object.entries(run.agents).map(([id, { status, attempt }]) => [id, { status, attempt }]));
    this.#append(run, null, 'done', { status, agents, metrics: {} });
  }

  /** Break every open stream. */
  cut() {
    for (const channel of this.#channels.values()) {
      for (const reader of channel.readers) reader.response.destroy();
      channel.readers.clear();
    }
  }

  /** Forget the oldest entries of a channel. */
  trim(name, upTo) {
    const channel = this.#channels.get(name);
    channel.entries.splice(0, upTo - channel.first + 1);
    channel.first = upTo + 1;
  }

  /** Become another log incarnation, as a restart with a log in memory; the runs stay. */
  restart() {
    this.cut();
    this.#channels.clear();
  }

  forget(runId) {
    this.#runs.delete(runId);
    this.#gone.add(runId);
  }

  /** The ids of a run's events, in order. */
  ids(runId) {
    const run = this.#runs.get(runId);
    const channel = this.#channels.get(run.channel);
    return channel.entries.flatMap((entry, n) => (entry.runId === runId ? [channel.id(channel.first + n)] : []));
  }

  // ── the log ────────────────────────────────────────────────────────────────────────────────────

  #channel(name) {
    if (!this.#channels.has(name)) this.#channels.set(name, new Channel(`epoch${++this.#epoch}`));
    return this.#channels.get(name);
  }

  #append(run, agentId, type, data) {
    const channel = this.#channel(run.channel);
    const head = agentId === null || agentId === 'panel' ? { type } : { agent_id: agentId, type };
    channel.entries.push({ runId: run.id, agentId, type, data: { ...head, t: ++run.t, ...data } });
    run.last = channel.id(channel.last);
    for (const reader of [...channel.readers]) this.#pump(channel, reader);
  }

  #pump(channel, reader) {
    let out = '';
    let ended = false;
    while (reader.seq < channel.last && !ended) {
      reader.seq += 1;
      const entry = channel.entries[reader.seq - channel.first];
      if (reader.runId !== null && entry.runId !== reader.runId) continue;
      const data = reader.runId === null ? { run_id: entry.runId, ...entry.data } : entry.data;
      out += frame(channel.id(reader.seq), `${entry.agentId ?? 'run'}.${entry.type}`, data);
      ended = reader.runId !== null && entry.agentId === null && entry.type === 'done';
    }
    if (this.frameMs > 0) return void dribble(reader.response, out, this.frameMs);
    write(reader.response, out, this.pieceBytes);
    if (ended) {
      channel.readers.delete(reader);
      reader.response.end();
    }
  }

  // ── HTTP ───────────────────────────────────────────────────────────────────────────────────────

  async #handle(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : null;
    const seen = { method: request.method, url: request.url, headers: request.headers, body };
    this.requests.push(seen);
    if (await this.intercept(seen, response)) return;
    const [, , ...parts] = new URL(request.url, this.url).pathname.split('/').map(decodeURIComponent);
    this.#route(seen, response, parts);
  }

  #route({ method, headers, body }, response, [kind, id, ...rest]) {
    if (kind === 'agents') return json(response, 200, { agents: [{ ...info('skeptic'), description: '' }] });
    if (kind === 'panels') return json(response, 200, { panels: [{ panel_id: 'council', title: 'Council', method: 'moderator' }] });
    if (kind === 'scores') return json(response, 200, { compared: 0, agents: [], questions: [] });
    if (kind === 'channels') return this.#stream(response, this.#channel(id), null, headers['last-event-id']);
    if (id === undefined && method === 'POST') return this.#start(response, headers, body);
    if (id === undefined) return json(response, 200, { runs: [...this.#runs.values()].reverse().map((run) => snapshot(run)) });
    const run = this.#runs.get(id);
    if (run === undefined) return problem(response, this.#gone.has(id) ? 410 : 404);
    if (rest[0] === 'vote' && method === 'POST') return json(response, 200, { vote: body.agent_id ?? null, agents: [] });
    if (rest[0] === 'vote') return response.writeHead(204).end();
    if (method === 'DELETE') {
      this.forget(id);
      return response.writeHead(204).end();
    }
    if (rest[0] === 'events') return this.#events(response, run, headers['last-event-id']);
    if (method === 'GET') return this.#show(response, run);
    if (rest[0] === 'panel' && run.status !== 'running') {
      const sits = this.start([], { message: run.message, panel: { ...body.panel, of: run.id } });
      return json(response, 202, snapshot(sits));
    }
    this.#act(run, rest, body);
    return json(response, 202, snapshot(run));
  }

  #act(run, [first, second, third], body) {
    if (first === 'cancel') for (const agent of Object.values(run.agents)) cancelling(agent);
    else if (third === 'cancel') cancelling(run.agents[second]);
    else if (first === 'agents' && second === undefined) {
      run.agents[body.agent_id] = { status: 'queued', attempt: 1, text: '', error: null };
      this.#append(run, null, 'agent_added', { agent: info(body.agent_id) });
    }
  }

  async #start(response, headers, body) {
    const key = headers['idempotency-key'];
    const run = this.#keys.get(key) ?? this.start(body.agents ?? ['skeptic'], body);
    this.#keys.set(key, run);
    await this.onStart(run);
    json(response, 201, snapshot(run));
  }

  async #show(response, run) {
    const taken = structuredClone(snapshot(run));
    await this.onSnapshot(run);
    json(response, 200, taken);
  }

  #events(response, run, after) {
    const channel = this.#channel(run.channel);
    if (run.status !== 'running' && after === run.last) return response.writeHead(204).end();
    return this.#stream(response, channel, run.id, after);
  }

  #stream(response, channel, runId, after) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(`retry: ${this.retryMs}\n: open\n\n`);
    const reader = { response, runId, seq: 0 };
    const reason = after === undefined ? (channel.first > 1 ? 'trimmed' : null) : gapReason(channel, after);
    if (reason !== null) this.#gap(channel, reader, reason, after ?? channel.id(0));
    else if (after !== undefined) reader.seq = Number(after.split('-')[1]);
    channel.readers.add(reader);
    response.on('close', () => channel.readers.delete(reader));
    const run = this.#runs.get(runId);
    if (reason !== null && run !== undefined && run.status !== 'running') response.end();
    else this.#pump(channel, reader);
  }

  #gap(channel, reader, reason, requested) {
    reader.seq = channel.last;
    const told = [...this.#runs.values()].filter((run) => reader.runId === run.id || (reader.runId === null && this.#channel(run.channel) === channel));
    const bounds = { earliest: channel.id(channel.first), latest: channel.id(channel.last) };
    let out = frame(null, 'run.gap', { type: 'gap', t: 0, reason, requested, ...bounds });
    for (const run of told) out += frame(channel.id(channel.last), 'run.snapshot', { type: 'snapshot', t: 0, ...snapshot(run) });
    reader.response.write(out);
  }
}

export const METRICS = { queue_ms: 0, ttft_ms: 1, duration_ms: 2, output_chars: 3, tokens_per_s: null, retries: 0 };

function info(agentId) {
  return { agent_id: agentId, title: agentId.toUpperCase(), backend: 'offline', model: 'm1' };
}

function panelInfo(panel, agents) {
  const known = typeof panel === 'string' ? { panel_id: panel } : { panel_id: null, ...panel };
  return { title: known.panel_id ?? known.method, method: 'moderator', members: agents, moderator: null, fallback: [], ...known };
}

function cancelling(agent) {
  if (['queued', 'running'].includes(agent.status)) agent.status = 'cancelling';
}

function snapshot(run) {
  const agents = Object.entries(run.agents).map(([id, agent]) => [id, { metrics: null, usage: null, ...agent }]);
  return {
    run_id: run.id,
    channel: run.channel,
    conversation_id: run.conversation_id,
    message: run.message,
    status: run.status,
    created_at: 0,
    ended_at: null,
    last_event_id: run.last,
    agents: Object.fromEntries(agents),
    ...(run.panel ? { panel: run.panel } : {}),
  };
}

function gapReason(channel, after) {
  const match = /^([a-z0-9]{4,16})-([0-9]+)$/.exec(after);
  if (match === null) return 'malformed';
  if (match[1] !== channel.epoch) return 'epoch';
  if (Number(match[2]) > channel.last) return 'ahead';
  return Number(match[2]) < channel.first - 1 ? 'trimmed' : null;
}

function frame(id, name, data) {
  return `${id === null ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function write(response, text, pieceBytes) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) response.write(bytes.subarray(at, at + pieceBytes));
}

async function dribble(response, text, ms) {
  for (const part of text.match(/.*?\n\n/gs) ?? []) {
    response.write(part);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

function json(response, status, value) {
  response.writeHead(status, JSON_TYPE).end(JSON.stringify(value));
}

function problem(response, status) {
  const body = JSON.stringify({ type: 'about:blank', title: REFUSALS[status], status, detail: REFUSALS[status] });
  response.writeHead(status, { 'Content-Type': 'application/problem+json' }).end(body);
}
