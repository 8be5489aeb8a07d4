/**
 * Names the shapes that the client's modules share, as types only. Names that come from the wire keep the wire's
 * spelling, so that what the protocol says and what a program reads is one word.
 */
export type RunStatus = 'queued' | 'running' | 'completed' | 'partial' | 'cancelled' | 'failed';
export type AgentStatus = 'queued' | 'running' | 'cancelling' | 'done' | 'error' | 'cancelled';
export type Connection = 'connecting' | 'open' | 'retrying' | 'closed';
export type ConnectionDetail = {
    code: 'blocked' | 'lost' | 'held' | 'failed';
    /**
     * For people.
     */
    message: string;
};
export type RunEvent = {
    /**
     * `<epoch>-<seq>`; null for `run.gap`, which is never a cursor.
     */
    id: string | null;
    /**
     * `skeptic.token`, `run.done`; `agent_id` and `type` are its parts.
     */
    name: string;
    /**
     * null for the run's own events.
     */
    agent_id: string | null;
    type: string;
    /**
     * Milliseconds since the run's start.
     */
    t: number;
    /**
     * Sent in a channel's stream and by `run.started`, else null.
     */
    run_id: string | null;
    /**
     * The whole of the event's `data`.
     */
    data: Readonly<Record<string, any>>;
};
export type Tool = {
    call_id: string;
    name: string;
    /**
     * A string of JSON.
     */
    arguments: string;
    /**
     * null while it runs.
     */
    output: string | null;
    is_error: boolean;
    /**
     * What a nested agent says meanwhile.
     */
    text: string;
};
export type AgentError = {
    code: string;
    message: string;
    error_id: string;
    retryable: boolean;
};
export type AgentMetrics = {
    queue_ms: number;
    ttft_ms: number | null;
    duration_ms: number;
    output_chars: number;
    tokens_per_s: number | null;
    retries: number;
    cost?: number | null;
};
export type Usage = {
    input_tokens: number;
    output_tokens: number;
    /**
     * Part of the input, if the provider reports it.
     */
    cached_input_tokens?: number;
    /**
     * Part of the output, if the provider reports it.
     */
    reasoning_tokens?: number;
};
export type Progress = {
    label: string;
    /**
     * From 0 to 1.
     */
    fraction?: number;
    step?: number;
    steps?: number;
    /**
     * Which bar it is, if the agent has several.
     */
    progress_id?: string;
};
export type DataPart = {
    name: string;
    /**
     * Any JSON.
     */
    value: any;
    data_id?: string;
};
export type SourcePart = {
    source_id: string;
    /**
     * `http:` or `https:`.
     */
    url?: string;
    document?: string;
    title?: string;
    quote?: string;
    /**
     * Offset in the attempt's text.
     */
    at?: number;
};
export type FilePart = {
    file_id: string;
    name: string;
    media_type: string;
    /**
     * `https:` or `data:`.
     */
    url: string;
};
export type Content = {
    /**
     * The newest of each bar.
     */
    progress: readonly Progress[];
    /**
     * In order; one with a `data_id` replaces the one before it in its place.
     */
    data: readonly DataPart[];
    sources: readonly SourcePart[];
    files: readonly FilePart[];
    /**
     * The structured answer; absent if there is none.
     */
    output?: any;
};
export type Approval = {
    call_id: string;
    name: string;
    arguments: string;
};
export type Stage = 'panel' | 'review' | 'final' | 'round' | 'layer';
export type Input = {
    agent: string;
    attempt: number;
    /**
     * How much of it.
     */
    chars: number;
    /**
     * How long it is, if it was cut to fit.
     */
    of_chars?: number;
};
export type Missing = {
    agent: string;
    status: AgentStatus;
};
export type Turn = {
    turn: number;
    stage: Stage;
    round: number | null;
    layer: number | null;
    attempt: number;
    /**
     * How it ended.
     */
    status: AgentStatus;
    text: string;
};
export type AgentState = {
    agent_id: string;
    title: string;
    backend: string;
    model: string | null;
    /**
     * What the request changed of which agent.
     */
    variant?: {
        of: string;
        changes: Record<string, unknown>;
    };
    /**
     * 0 before the first has started.
     */
    attempt: number;
    status: AgentStatus;
    /**
     * The answer so far; whole once the status is `done`. Kept if the attempt failed.
     */
    text: string;
    reasoning: string;
    tools: readonly Tool[];
    approvals: readonly Approval[];
    content: Content;
    error: AgentError | null;
    metrics: AgentMetrics | null;
    usage: Usage | null;
    finish_reason: string | null;
    /**
     * The agent's own word for what it does, or why it is tried again or was cancelled.
     */
    note: string;
    /**
     * Who speaks after a handoff.
     */
    speaker: string | null;
    /**
     * Milliseconds since the run's start, as the two below.
     */
    started_t: number | null;
    first_token_t: number | null;
    ended_t: number | null;
    /**
     * What it speaks in; this and all below only in a panel.
     */
    stage: Stage | null;
    /**
     * The number of that stage, if it is one of several.
     */
    round: number | null;
    layer: number | null;
    /**
     * How often it has spoken, this time included; a new attempt keeps it.
     */
    turn: number | null;
    /**
     * What it said in earlier turns, oldest first.
     */
    turns: readonly Turn[];
    /**
     * Whose answers it was given in this turn.
     */
    inputs: readonly Input[];
    /**
     * Whose answers this turn goes without.
     */
    missing: readonly Missing[];
};
export type PanelInfo = {
    /**
     * null for one that was written into the request.
     */
    panel_id: string | null;
    title: string;
    /**
     * `moderator`, `judge`, `rank`, `vote`, `race`, `layers`, `debate`, or a server's own.
     */
    method: string;
    members: readonly string[];
    /**
     * Who has the last word, if somebody has.
     */
    moderator: string | null;
    /**
     * Who has it if that one fails.
     */
    fallback: readonly string[];
    /**
     * The run over whose answers it works, if they are not this run's.
     */
    of: string | null;
    /**
     * These answers.
     */
    given: readonly {
        agent: string;
        title: string;
        attempt: number;
        chars: number;
    }[];
};
export type PanelResult = {
    status: 'decided' | 'tie' | 'undecided' | 'failed' | 'cancelled';
    /**
     * An agent's id.
     */
    winner: string | null;
    /**
     * Best first.
     */
    ranking: readonly {
        agent: string;
        score: number;
    }[];
    /**
     * What was chosen → how often. vote: answers; else agents.
     */
    tally: Readonly<Record<string, number>>;
    missing: readonly Missing[];
    /**
     * The text that was decided, if that is no agent's whole answer.
     */
    answer?: string;
    /**
     * Who had the last word, in which attempt.
     */
    by?: string;
    attempt?: number;
    /**
     * 1 if a late answer had the last word spoken again.
     */
    revision?: number;
};
export type PanelProgress = {
    /**
     * The newest; null before the first.
     */
    stage: Stage | null;
    /**
     * Its number, if it is one of several.
     */
    round: number | null;
    layer: number | null;
    /**
     * Who speaks in it.
     */
    speakers: readonly string[];
    /**
     * Whose answers it goes without.
     */
    missing: readonly Missing[];
    /**
     * The newest.
     */
    result: Readonly<PanelResult> | null;
    /**
     * Who answered after
     * the last word had begun.
     */
    late: readonly {
        agent: string;
        attempt: number;
        status: AgentStatus;
        chars: number;
    }[];
};
export type PanelState = Readonly<PanelInfo & PanelProgress>;
export type PanelListing = {
    panel_id: string;
    title: string;
    description: string;
    method: string;
    members: string[];
    moderator: string | null;
    fallback: string[];
    start_when: {
        all: boolean;
        quorum: number | null;
        deadline_s: number | null;
    };
    revise: boolean;
};
export type InlinePanel = {
    method: string;
    title?: string;
    members?: readonly string[];
    moderator?: string | {
        agent: string;
        fallback?: readonly string[];
    };
    start_when?: 'all' | {
        all?: boolean;
        quorum?: number;
        deadline_s?: number;
    };
    prompt?: string;
    revise?: boolean;
    rounds?: number;
    layers?: number | readonly (readonly string[])[];
    valid?: string;
    limits?: {
        max_input_chars?: number;
        stage_timeout_s?: number;
    };
};
export type RunState = {
    id: string;
    channel: string;
    conversation_id: string | null;
    message: string;
    status: RunStatus;
    /**
     * In the run's own order; the same array until an agent joins.
     */
    agentIds: readonly string[];
    agents: Readonly<Record<string, AgentState>>;
    metrics: Readonly<Record<string, any>> | null;
    /**
     * null if the agents do not work together.
     */
    panel: PanelState | null;
    /**
     * The last `run.gap`: what was said meanwhile is in the
     * texts, but was never seen as events.
     */
    gap: Readonly<Record<string, any>> | null;
    connection: Connection;
    detail: ConnectionDetail | null;
};
export type AgentSnapshot = {
    status: AgentStatus;
    attempt: number;
    text: string;
    error: AgentError | null;
    metrics: AgentMetrics | null;
    usage: Usage | null;
    /**
     * This and all below only in a panel.
     */
    stage?: Stage;
    round?: number;
    layer?: number;
    turn?: number;
    turns?: Turn[];
    inputs?: Input[];
    missing?: Missing[];
    /**
     * This and all below if the attempt said more than text.
     */
    progress?: Progress[];
    data?: DataPart[];
    sources?: SourcePart[];
    files?: FilePart[];
    /**
     * The structured answer.
     */
    output?: any;
    /**
     * The calls that wait for an answer.
     */
    approvals?: Approval[];
    variant?: AgentState['variant'];
};
export type RunSnapshot = {
    run_id: string;
    channel: string;
    conversation_id: string | null;
    message: string;
    status: RunStatus;
    created_at: number;
    ended_at: number | null;
    last_event_id: string | null;
    agents: Record<string, AgentSnapshot>;
    panel?: Partial<PanelState> & PanelInfo;
    /**
     * Whether it is hidden who is who until a vote.
     */
    blind?: boolean;
    /**
     * Whom the last vote was for, and who all are.
     */
    revealed?: {
        vote: string;
        agents: RevealedAgent[];
    };
};
export type ListedRun = {
    run_id: string;
    channel: string;
    conversation_id: string | null;
    /**
     * The question's first 200 characters.
     */
    title: string;
    status: RunStatus;
    created_at: number;
    ended_at: number | null;
    agents: Record<string, {
        status: AgentStatus | null;
        variant_of?: string;
    }>;
    /**
     * What people call its panel.
     */
    panel: string | null;
    /**
     * Whether it was asked for that it is hidden who is who.
     */
    blind: boolean;
    /**
     * The run of its conversation that it goes on from, or `start`, if that was said.
     */
    after?: string;
    /**
     * Whether another release wrote it in a way that this one cannot read.
     */
    unreadable: boolean;
};
export type RevealedAgent = {
    agent_id: string;
    /**
     * Its true id.
     */
    configured: string;
    title: string;
    backend: string;
    model: string | null;
    metrics: AgentMetrics | null;
    usage: Usage | null;
    error: AgentError | null;
};
export type AgentInfo = {
    agent_id: string;
    title: string;
    description: string;
    backend: string;
    model: string | null;
    default?: boolean;
    /**
     * What a request may change of it.
     */
    variants?: readonly VariableKey[];
};
export type VariableKey = {
    /**
     * As in `model_settings.temperature`.
     */
    key: string;
    type: 'text' | 'number' | 'integer' | 'boolean' | 'json';
    /**
     * The values that it may have; empty: any.
     */
    choices: readonly string[];
};
export type VariantRequest = {
    agent_id: string;
    as: string;
} & Record<string, unknown>;
export type StartOptions = {
    message: string;
    /**
     * The server's default ones if it is left out.
     */
    agents?: readonly (string | VariantRequest)[];
    conversation_id?: string;
    /**
     * The run of the conversation that it goes on from, or `start`; left out, all that was said is known.
     */
    after?: string;
    /**
     * A configured panel's id, or a panel; `agents` are its members.
     */
    panel?: string | InlinePanel;
    /**
     * `https:` addresses or `data:` URLs, for models that take them.
     */
    images?: readonly string[];
    /**
     * Hide who is who until somebody has voted.
     */
    blind?: boolean;
    on_disconnect?: 'continue' | 'cancel';
    /**
     * Another one than the client's.
     */
    channel?: string;
    /**
     * Milliseconds between two updates by tokens; 50. 0 updates with each arrival.
     */
    throttle?: number;
    /**
     * Gives up the start. A run that has begun is left alone.
     */
    signal?: AbortSignal;
};
export type AttachOptions = {
    /**
     * The id seen last; left out, the run comes from its first event. With an
     * id, `on` and iterators give what came after it; texts are whole, reasoning and tools from before are missing.
     */
    after?: string | null;
    throttle?: number;
};
export type Timing = {
    /**
     * A request without an answer for so long takes the place of this client's streams; they go on by id.
     */
    room: number;
    /**
     * Without an answer for so long, say that connections may be used up.
     */
    blocked: number;
    /**
     * Without an event for so long, look by a snapshot whether events are held back on the way.
     */
    held: number;
    /**
     * The pause between two snapshots while they are.
     */
    poll: number;
    /**
     * A stream without a byte for so long is dead: three of the server's heartbeats.
     */
    silence: number;
    /**
     * How long a request may take.
     */
    request: number;
    /**
     * The first pause before coming back, until the server names one.
     */
    retry: number;
    /**
     * The longest.
     */
    maxRetry: number;
};
export type ClientOptions = {
    /**
     * `http://127.0.0.1:8080`, with a path if a proxy adds one; else the page's own origin.
     */
    baseUrl?: string;
    /**
     * Sent as `Authorization: Bearer`.
     */
    token?: string | null;
    /**
     * Another fetch. Then tabs share nothing.
     */
    fetch?: typeof globalThis.fetch;
    /**
     * The channel of all its runs; one is made up if it is left out. null: a connection for each run.
     */
    channel?: string | null;
    /**
     * Share the connection with other tabs if the browser can; true.
     */
    share?: boolean;
    timing?: Partial<Timing>;
};
/** @typedef {'queued' | 'running' | 'completed' | 'partial' | 'cancelled' | 'failed'} RunStatus */
/** @typedef {'queued' | 'running' | 'cancelling' | 'done' | 'error' | 'cancelled'} AgentStatus */
/** @typedef {'connecting' | 'open' | 'retrying' | 'closed'} Connection */
/**
 * Why a connection is as it is. `blocked`: no answer for 3 s, most likely because the browser's six connections
 * to this server are used up. `lost`: it broke, and is being opened again. `held`: it is open, but something on the
 * way holds its bytes back; until they flow, the run is shown by snapshots. `failed`: it will not come back.
 * @typedef {object} ConnectionDetail
 * @property {'blocked' | 'lost' | 'held' | 'failed'} code
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
 * @property {string | null} run_id Sent in a channel's stream and by `run.started`, else null.
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
 * @property {number} [cached_input_tokens] Part of the input, if the provider reports it.
 * @property {number} [reasoning_tokens] Part of the output, if the provider reports it.
 */
/**
 * @typedef {object} Progress How far a long task is.
 * @property {string} label
 * @property {number} [fraction] From 0 to 1.
 * @property {number} [step]
 * @property {number} [steps]
 * @property {string} [progress_id] Which bar it is, if the agent has several.
 */
/**
 * @typedef {object} DataPart What an agent said in its own words.
 * @property {string} name
 * @property {any} value Any JSON.
 * @property {string} [data_id]
 */
/**
 * @typedef {object} SourcePart A citation, of an address or of a document in any words.
 * @property {string} source_id
 * @property {string} [url] `http:` or `https:`.
 * @property {string} [document]
 * @property {string} [title]
 * @property {string} [quote]
 * @property {number} [at] Offset in the attempt's text.
 */
/**
 * @typedef {object} FilePart An image or document that an agent made.
 * @property {string} file_id
 * @property {string} name
 * @property {string} media_type
 * @property {string} url `https:` or `data:`.
 */
/**
 * @typedef {object} Content What an attempt said beyond text.
 * @property {readonly Progress[]} progress The newest of each bar.
 * @property {readonly DataPart[]} data In order; one with a `data_id` replaces the one before it in its place.
 * @property {readonly SourcePart[]} sources
 * @property {readonly FilePart[]} files
 * @property {any} [output] The structured answer; absent if there is none.
 */
/**
 * @typedef {object} Approval A call that waits for `run.approve`.
 * @property {string} call_id
 * @property {string} name
 * @property {string} arguments
 */
/** @typedef {'panel' | 'review' | 'final' | 'round' | 'layer'} Stage What an agent speaks in, in a panel. */
/**
 * @typedef {object} Input An answer that an agent of a panel was given to read.
 * @property {string} agent
 * @property {number} attempt
 * @property {number} chars How much of it.
 * @property {number} [of_chars] How long it is, if it was cut to fit.
 */
/**
 * @typedef {object} Missing An agent of a panel that had no answer when one was wanted.
 * @property {string} agent
 * @property {AgentStatus} status
 */
/**
 * @typedef {object} Turn What an agent said in an earlier turn of a panel.
 * @property {number} turn
 * @property {Stage} stage
 * @property {number | null} round
 * @property {number | null} layer
 * @property {number} attempt
 * @property {AgentStatus} status How it ended.
 * @property {string} text
 */
/**
 * One agent of a run. A new object whenever something changed, never changed itself; what is not said otherwise is
 * of the newest attempt, so a new attempt voids it.
 * @typedef {object} AgentState
 * @property {string} agent_id
 * @property {string} title
 * @property {string} backend
 * @property {string | null} model
 * @property {{of: string, changes: Record<string, unknown>}} [variant] What the request changed of which agent.
 * @property {number} attempt 0 before the first has started.
 * @property {AgentStatus} status
 * @property {string} text The answer so far; whole once the status is `done`. Kept if the attempt failed.
 * @property {string} reasoning
 * @property {readonly Tool[]} tools
 * @property {readonly Approval[]} approvals
 * @property {Content} content
 * @property {AgentError | null} error
 * @property {AgentMetrics | null} metrics
 * @property {Usage | null} usage
 * @property {string | null} finish_reason
 * @property {string} note The agent's own word for what it does, or why it is tried again or was cancelled.
 * @property {string | null} speaker Who speaks after a handoff.
 * @property {number | null} started_t Milliseconds since the run's start, as the two below.
 * @property {number | null} first_token_t
 * @property {number | null} ended_t
 * @property {Stage | null} stage What it speaks in; this and all below only in a panel.
 * @property {number | null} round The number of that stage, if it is one of several.
 * @property {number | null} layer
 * @property {number | null} turn How often it has spoken, this time included; a new attempt keeps it.
 * @property {readonly Turn[]} turns What it said in earlier turns, oldest first.
 * @property {readonly Input[]} inputs Whose answers it was given in this turn.
 * @property {readonly Missing[]} missing Whose answers this turn goes without.
 */
/**
 * @typedef {object} PanelInfo How the agents of a run work together.
 * @property {string | null} panel_id null for one that was written into the request.
 * @property {string} title
 * @property {string} method `moderator`, `judge`, `rank`, `vote`, `race`, `layers`, `debate`, or a server's own.
 * @property {readonly string[]} members
 * @property {string | null} moderator Who has the last word, if somebody has.
 * @property {readonly string[]} fallback Who has it if that one fails.
 * @property {string | null} of The run over whose answers it works, if they are not this run's.
 * @property {readonly {agent: string, title: string, attempt: number, chars: number}[]} given These answers.
 */
/**
 * @typedef {object} PanelResult What came of a panel.
 * @property {'decided' | 'tie' | 'undecided' | 'failed' | 'cancelled'} status
 * @property {string | null} winner An agent's id.
 * @property {readonly {agent: string, score: number}[]} ranking Best first.
 * @property {Readonly<Record<string, number>>} tally What was chosen → how often. vote: answers; else agents.
 * @property {readonly Missing[]} missing
 * @property {string} [answer] The text that was decided, if that is no agent's whole answer.
 * @property {string} [by] Who had the last word, in which attempt.
 * @property {number} [attempt]
 * @property {number} [revision] 1 if a late answer had the last word spoken again.
 */
/**
 * @typedef {object} PanelProgress
 * @property {Stage | null} stage The newest; null before the first.
 * @property {number | null} round Its number, if it is one of several.
 * @property {number | null} layer
 * @property {readonly string[]} speakers Who speaks in it.
 * @property {readonly Missing[]} missing Whose answers it goes without.
 * @property {Readonly<PanelResult> | null} result The newest.
 * @property {readonly {agent: string, attempt: number, status: AgentStatus, chars: number}[]} late Who answered after
 *   the last word had begun.
 */
/** @typedef {Readonly<PanelInfo & PanelProgress>} PanelState The newest panel of a run. */
/**
 * A panel as the server is configured to hold it.
 * @typedef {object} PanelListing
 * @property {string} panel_id
 * @property {string} title
 * @property {string} description
 * @property {string} method
 * @property {string[]} members
 * @property {string | null} moderator
 * @property {string[]} fallback
 * @property {{all: boolean, quorum: number | null, deadline_s: number | null}} start_when
 * @property {boolean} revise
 */
/**
 * A panel written into a request. What is left out is the server's default.
 * @typedef {object} InlinePanel
 * @property {string} method
 * @property {string} [title]
 * @property {readonly string[]} [members]
 * @property {string | {agent: string, fallback?: readonly string[]}} [moderator]
 * @property {'all' | {all?: boolean, quorum?: number, deadline_s?: number}} [start_when]
 * @property {string} [prompt]
 * @property {boolean} [revise]
 * @property {number} [rounds]
 * @property {number | readonly (readonly string[])[]} [layers]
 * @property {string} [valid]
 * @property {{max_input_chars?: number, stage_timeout_s?: number}} [limits]
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
 * @property {PanelState | null} panel null if the agents do not work together.
 * @property {Readonly<Record<string, any>> | null} gap The last `run.gap`: what was said meanwhile is in the
 *   texts, but was never seen as events.
 * @property {Connection} connection
 * @property {ConnectionDetail | null} detail
 */
/**
 * @typedef {object} AgentSnapshot
 * @property {AgentStatus} status
 * @property {number} attempt
 * @property {string} text
 * @property {AgentError | null} error
 * @property {AgentMetrics | null} metrics
 * @property {Usage | null} usage
 * @property {Stage} [stage] This and all below only in a panel.
 * @property {number} [round]
 * @property {number} [layer]
 * @property {number} [turn]
 * @property {Turn[]} [turns]
 * @property {Input[]} [inputs]
 * @property {Missing[]} [missing]
 * @property {Progress[]} [progress] This and all below if the attempt said more than text.
 * @property {DataPart[]} [data]
 * @property {SourcePart[]} [sources]
 * @property {FilePart[]} [files]
 * @property {any} [output] The structured answer.
 * @property {Approval[]} [approvals] The calls that wait for an answer.
 * @property {AgentState['variant']} [variant]
 */
/**
 * What the server sends of a run.
 * @typedef {object} RunSnapshot
 * @property {string} run_id
 * @property {string} channel
 * @property {string | null} conversation_id
 * @property {string} message
 * @property {RunStatus} status
 * @property {number} created_at
 * @property {number | null} ended_at
 * @property {string | null} last_event_id
 * @property {Record<string, AgentSnapshot>} agents
 * @property {Partial<PanelState> & PanelInfo} [panel]
 * @property {boolean} [blind] Whether it is hidden who is who until a vote.
 * @property {{vote: string, agents: RevealedAgent[]}} [revealed] Whom the last vote was for, and who all are.
 */
/**
 * What a list shows of a run.
 * @typedef {object} ListedRun
 * @property {string} run_id
 * @property {string} channel
 * @property {string | null} conversation_id
 * @property {string} title The question's first 200 characters.
 * @property {RunStatus} status
 * @property {number} created_at
 * @property {number | null} ended_at
 * @property {Record<string, {status: AgentStatus | null, variant_of?: string}>} agents
 * @property {string | null} panel What people call its panel.
 * @property {boolean} blind Whether it was asked for that it is hidden who is who.
 * @property {string} [after] The run of its conversation that it goes on from, or `start`, if that was said.
 * @property {boolean} unreadable Whether another release wrote it in a way that this one cannot read.
 */
/**
 * @typedef {object} RevealedAgent Who an agent of a blind run is. The last three are null until it has ended.
 * @property {string} agent_id
 * @property {string} configured Its true id.
 * @property {string} title
 * @property {string} backend
 * @property {string | null} model
 * @property {AgentMetrics | null} metrics
 * @property {Usage | null} usage
 * @property {AgentError | null} error
 */
/**
 * @typedef {object} AgentInfo
 * @property {string} agent_id
 * @property {string} title
 * @property {string} description
 * @property {string} backend
 * @property {string | null} model
 * @property {boolean} [default]
 * @property {readonly VariableKey[]} [variants] What a request may change of it.
 */
/**
 * @typedef {object} VariableKey A key of an agent that a request may change for itself.
 * @property {string} key As in `model_settings.temperature`.
 * @property {'text' | 'number' | 'integer' | 'boolean' | 'json'} type
 * @property {readonly string[]} choices The values that it may have; empty: any.
 */
/** @typedef {{agent_id: string, as: string} & Record<string, unknown>} VariantRequest An agent with changes, under another name. */
/**
 * @typedef {object} StartOptions The body of `POST /v1/runs`, and how this client follows the run.
 * @property {string} message
 * @property {readonly (string | VariantRequest)[]} [agents] The server's default ones if it is left out.
 * @property {string} [conversation_id]
 * @property {string} [after] The run of the conversation that it goes on from, or `start`; left out, all that was said is known.
 * @property {string | InlinePanel} [panel] A configured panel's id, or a panel; `agents` are its members.
 * @property {readonly string[]} [images] `https:` addresses or `data:` URLs, for models that take them.
 * @property {boolean} [blind] Hide who is who until somebody has voted.
 * @property {'continue' | 'cancel'} [on_disconnect]
 * @property {string} [channel] Another one than the client's.
 * @property {number} [throttle] Milliseconds between two updates by tokens; 50. 0 updates with each arrival.
 * @property {AbortSignal} [signal] Gives up the start. A run that has begun is left alone.
 */
/**
 * @typedef {object} AttachOptions
 * @property {string | null} [after] The id seen last; left out, the run comes from its first event. With an
 *   id, `on` and iterators give what came after it; texts are whole, reasoning and tools from before are missing.
 * @property {number} [throttle]
 */
/**
 * Limits in milliseconds, the protocol's; a test shortens them.
 * @typedef {object} Timing
 * @property {number} room A request without an answer for so long takes the place of this client's streams; they go on by id.
 * @property {number} blocked Without an answer for so long, say that connections may be used up.
 * @property {number} held Without an event for so long, look by a snapshot whether events are held back on the way.
 * @property {number} poll The pause between two snapshots while they are.
 * @property {number} silence A stream without a byte for so long is dead: three of the server's heartbeats.
 * @property {number} request How long a request may take.
 * @property {number} retry The first pause before coming back, until the server names one.
 * @property {number} maxRetry The longest.
 */
/**
 * @typedef {object} ClientOptions
 * @property {string} [baseUrl] `http://127.0.0.1:8080`, with a path if a proxy adds one; else the page's own origin.
 * @property {string | null} [token] Sent as `Authorization: Bearer`.
 * @property {typeof globalThis.fetch} [fetch] Another fetch. Then tabs share nothing.
 * @property {string | null} [channel] The channel of all its runs; one is made up if it is left out. null: a connection for each run.
 * @property {boolean} [share] Share the connection with other tabs if the browser can; true.
 * @property {Partial<Timing>} [timing]
 */
export {};
