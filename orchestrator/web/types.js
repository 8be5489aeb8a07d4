/**
 * Owns the shapes that the client's modules share, as types only. Names that come from the wire keep the wire's
 * spelling, so that what PROTOCOL says and what a program reads is one word.
 */

/** @typedef {'running' | 'completed' | 'partial' | 'cancelled' | 'failed'} RunStatus */
/** @typedef {'queued' | 'running' | 'cancelling' | 'done' | 'error' | 'cancelled'} AgentStatus */
/** @typedef {'connecting' | 'open' | 'retrying' | 'closed'} Connection */

/**
 * Why a connection is as it is. `blocked`: no answer for 3 s, most likely because the browser's six connections
 * to this server are used up. `lost`: it broke, and is being opened again. `failed`: it will not come back.
 * @typedef {object} ConnectionDetail
 * @property {'blocked' | 'lost' | 'failed'} code
 * @property {string} message For people.
 */

/**
 * One event.
 * @typedef {object} RunEvent
 * @property {string | null} id `<epoch>-<seq>`; null for `run.gap`, which is never a cursor.
 * @property {string} name `skeptic.token`, `run.done`; `agent_id` and `type` are its parts.
 * @property {string | null} agent_id null for the run's own events.
 * @property {string} type
 * @property {number} t Milliseconds since the run's start.
 * @property {string | null} run_id Told in a channel's stream and by `run.started`, else null.
 * @property {Readonly<Record<string, any>>} data The whole of the event's `data`.
 */

/**
 * @typedef {object} Tool One tool call.
 * @property {string} call_id
 * @property {string} name
 * @property {string} arguments A string of JSON.
 * @property {string | null} output null while it runs.
 * @property {boolean} is_error
 * @property {string} text What a nested agent says meanwhile.
 */

/**
 * @typedef {object} AgentError
 * @property {string} code
 * @property {string} message
 * @property {string} error_id
 * @property {boolean} retryable
 */

/**
 * @typedef {object} AgentMetrics
 * @property {number} queue_ms
 * @property {number | null} ttft_ms
 * @property {number} duration_ms
 * @property {number} output_chars
 * @property {number | null} tokens_per_s
 * @property {number} retries
 * @property {number | null} [cost]
 */

/**
 * @typedef {object} Usage
 * @property {number} input_tokens
 * @property {number} output_tokens
 */

/**
 * @typedef {object} Approval A call that waits for `run.approve`.
 * @property {string} call_id
 * @property {string} name
 * @property {string} arguments
 */

/**
 * One agent of a run. A new object whenever something changed, never changed itself; all but the first five are
 * of the newest attempt, so a new attempt voids them.
 * @typedef {object} AgentState
 * @property {string} agent_id
 * @property {string} title
 * @property {string} backend
 * @property {string | null} model
 * @property {number} attempt 0 before the first has started.
 * @property {AgentStatus} status
 * @property {string} text The answer so far; whole once the status is `done`. Kept where the attempt failed.
 * @property {string} reasoning
 * @property {readonly Tool[]} tools
 * @property {readonly Approval[]} approvals
 * @property {AgentError | null} error
 * @property {AgentMetrics | null} metrics
 * @property {Usage | null} usage
 * @property {string | null} finish_reason
 * @property {string} note The agent's own word for what it does, or why it is tried again or was cancelled.
 * @property {string | null} speaker Who speaks after a handoff.
 * @property {number | null} started_t Milliseconds since the run's start, as the two below.
 * @property {number | null} first_token_t
 * @property {number | null} ended_t
 */

/**
 * One run, immutable.
 * @typedef {object} RunState
 * @property {string} id
 * @property {string} channel
 * @property {string | null} conversation_id
 * @property {string} message
 * @property {RunStatus} status
 * @property {readonly string[]} agentIds In the run's own order; the same array until an agent joins.
 * @property {Readonly<Record<string, AgentState>>} agents
 * @property {Readonly<Record<string, any>> | null} metrics
 * @property {Readonly<Record<string, any>> | null} gap The last `run.gap`: what was said meanwhile is in the
 *   texts, but was never seen as events.
 * @property {Connection} connection
 * @property {ConnectionDetail | null} detail
 */

/**
 * What the server tells of a run.
 * @typedef {object} RunSnapshot
 * @property {string} run_id
 * @property {string} channel
 * @property {string | null} conversation_id
 * @property {string} message
 * @property {RunStatus} status
 * @property {number} created_at
 * @property {number | null} ended_at
 * @property {string | null} last_event_id
 * @property {Record<string, {status: AgentStatus, attempt: number, text: string, error: AgentError | null,
 *   metrics: AgentMetrics | null, usage: Usage | null}>} agents
 */

/**
 * @typedef {object} AgentInfo
 * @property {string} agent_id
 * @property {string} title
 * @property {string} description
 * @property {string} backend
 * @property {string | null} model
 * @property {boolean} [default]
 */

/**
 * The body of `POST /v1/runs`, and how this client follows the run.
 * @typedef {object} StartOptions
 * @property {string} message
 * @property {readonly string[]} [agents] The server's default ones where it is left out.
 * @property {string} [conversation_id]
 * @property {string | object} [panel]
 * @property {'continue' | 'cancel'} [on_disconnect]
 * @property {string} [channel] Another one than the client's.
 * @property {number} [throttle] Milliseconds between two updates by tokens; 50. 0 updates with each arrival.
 * @property {AbortSignal} [signal] Gives up the start. A run that has begun is left alone.
 */

/**
 * @typedef {object} AttachOptions
 * @property {string | null} [after] The id seen last; left out, the run is told from its first event. With an
 *   id, `on` and iterators tell what came after it; texts are whole, reasoning and tools from before are missing.
 * @property {number} [throttle]
 */

/**
 * Limits in milliseconds. They are the protocol's; a test shortens them.
 * @typedef {object} Timing
 * @property {number} room A request without an answer for so long takes the place of this client's streams, which
 *   then go on by id.
 * @property {number} blocked Without an answer for so long, say that connections may be used up.
 * @property {number} silence A stream without a byte for so long is dead: three of the server's heartbeats.
 * @property {number} request How long a request may take.
 * @property {number} retry The first pause before coming back, until the server names one.
 * @property {number} maxRetry The longest.
 */

/**
 * @typedef {object} ClientOptions
 * @property {string} [baseUrl] `http://127.0.0.1:8080`, with a path where a proxy adds one; the page's own
 *   origin where it is left out.
 * @property {string | null} [token] Sent as `Authorization: Bearer`.
 * @property {typeof globalThis.fetch} [fetch] Another fetch. Then tabs share nothing.
 * @property {string | null} [channel] The channel of all runs this client starts; one is made up where it is
 *   left out. null: a connection for each run.
 * @property {boolean} [share] Share the connection with other tabs where the browser can; true.
 * @property {Partial<Timing>} [timing]
 */

export {};
