"""The one writer of a run: brings batches of events into the log, then into the run's state.

Owns the run's clock and its right to append. What is to be said is the run's.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Sequence

import structlog

from ..errors import LogUnavailable
from ..eventlog.base import Draft, Entry
from ..eventlog.retry import until_available
from ..eventlog.run_store import Fence
from ..events.agent import Cancelled, Done, Error, Retry, Started, Token
from ..events.base import PANEL, AgentStatus, Payload
from ..events.encoding import encode_data
from ..events.run import AgentAdded, RunDone, RunStarted
from ..telemetry.logs import exception_words
from ..telemetry.observer import AttemptEnd, Observer
from .blind import BlindNames
from .channels import RunChannels
from .live_bytes import LiveBytes, RunBytes
from .merge import Batch
from .state import Participant, RunState

log = structlog.get_logger(__name__)

_RUNS_OWN = (RunStarted, RunDone, AgentAdded)
_MILESTONES = (RunStarted.TYPE, RunDone.TYPE)
_ENDINGS = (Done, Error, Cancelled)


class Writer:
    """Logs what a run says, one append at a time.

    Args:
        state: Takes in every event that was logged.
        fence: The right to append; void once another worker took the run over.
        blind_names: What is hidden of a blind run.
        live_bytes: Counts what the state holds.
    """

    def __init__(
        self,
        state: RunState,
        channels: RunChannels,
        observer: Observer,
        *,
        fence: Fence | None = None,
        blind_names: BlindNames | None = None,
        live_bytes: RunBytes | None = None,
    ) -> None:
        self._state = state
        self._channels = channels
        self._observer = observer
        self._fence = fence
        self._blind_names = blind_names
        self.live_bytes = live_bytes or LiveBytes(sys.maxsize, lambda _: None).of_run(state.spec.run_id)
        # Wall-clock jumps must not reach `t`; only a run that is taken over has to begin from it.
        elapsed = time.time() - state.created_at / 1000
        self._t0 = time.monotonic() - max(state.t / 1000, elapsed)
        self._log_context = {"run_id": state.spec.run_id}

    @property
    def t(self) -> int:
        """Milliseconds since the run's start."""
        return int((time.monotonic() - self._t0) * 1000)

    async def append(self, batches: Sequence[Batch], *, patiently: bool = True) -> None:
        """Bring *batches* into the log as one write, then into the state.

        Args:
            patiently: Wait while the store is unavailable; False raises LogUnavailable.
        Raises:
            Fenced: The run has another owner.
        """
        t = self.t
        if len(batches) == 1 and len(batches[0].events) == 1 and self._blind_names is None:
            agent_id, (payload,) = batches[0]
            # At human pace nearly every write is a single token.
            if type(payload) is Token and payload.parent is None and agent_id in self._state.participants:
                spec = self._state.spec
                draft = Draft(spec.run_id, agent_id, Token.TYPE, self._encode(agent_id, payload, t))
                (entry,) = await self._logged([draft], patiently)
                self._take_in_text(agent_id, payload.text, entry)
                return
        whole = [
            # `run.agent_added` comes out of the new agent's mailbox and is the run's.
            (None if isinstance(payload, _RUNS_OWN) else agent_id, payload)
            for agent_id, events in batches
            for payload in events
        ]
        logged = whole
        if self._blind_names is not None:
            covered = [(who, payload, self._blind_names.cover(who, payload)) for who, payload in whole]
            whole = [(who, payload) for who, payload, shown in covered if shown is not None]
            logged = [(who, shown) for who, _, shown in covered if shown is not None]
            if not logged:
                return
        spec = self._state.spec
        drafts = [
            Draft(spec.run_id, who, payload.TYPE, self._encode(who, payload, t)) for who, payload in logged
        ]
        entries = await self._logged(drafts, patiently)
        # Before anything else is waited for: who has read `run.done` may ask for the run's status at once.
        self._take_in(logged, whole, entries)
        if milestones := [draft for draft in drafts if draft.agent_id is None and draft.type in _MILESTONES]:
            await self._channels.append_milestones(milestones)

    def _take_in(
        self,
        logged: Sequence[tuple[str | None, Payload]],
        whole: Sequence[tuple[str | None, Payload]],
        entries: Sequence[Entry],
    ) -> None:
        """Fold what was *logged*; *whole* is the same before a blind run's names and hints were covered."""
        chars, events = defaultdict[str, int](int), defaultdict[str, int](int)  # of each agent's tokens
        void: dict[str, int] = {}  # characters of attempts that failed within these events
        grown = at = 0
        while at < len(logged):
            (who, payload), entry = logged[at], entries[at]
            if type(payload) is Token and who in self._state.participants and payload.parent is None:
                # Most events, and the ones that change nobody's status.
                texts = texts_in_a_row(logged, at)
                row = entries[at : at + len(texts)]
                self._state.digest.take_texts(row, texts)
                self._state.fold_texts(who, texts, row[-1].id)
                chars[who] += sum(map(len, texts))
                events[who] += len(texts)
                at += len(texts)
                continue
            self._state.digest.take(entry, payload)
            self._fold(who, payload, entry)
            if who is not None and type(payload) is Token:
                chars[who] += len(payload.text)
                events[who] += 1
            elif who is not None:
                grown += self.live_bytes.take(who, payload, len(entry.data))
                if isinstance(payload, Retry):
                    void[who] = chars[who]
                if isinstance(said := whole[at][1], _ENDINGS):
                    self._report(who, said)
            at += 1
        for agent_id, count in events.items():
            grown += self.live_bytes.add(agent_id, chars[agent_id] - void.get(agent_id, 0))
            self._report_tokens(agent_id, chars[agent_id], count)
        self._observer.log_bytes(self._channels.size)
        self.live_bytes.grow(grown)

    def _take_in_text(self, agent_id: str, text: str, entry: Entry) -> None:
        """Fold one token, without the sums that several need."""
        self._state.digest.take_texts((entry,), [text])
        self._state.fold_texts(agent_id, [text], entry.id)
        self._report_tokens(agent_id, len(text), 1)
        self._observer.log_bytes(self._channels.size)
        self.live_bytes.grow(self.live_bytes.add(agent_id, len(text)))

    def _report_tokens(self, agent_id: str, chars: int, count: int) -> None:
        if self._blind_names is None:
            configured = self._state.participants[agent_id].info.configured
            self._observer.tokens(configured, chars, count)

    async def _logged(self, drafts: list[Draft], patiently: bool) -> list[Entry]:
        """Append; if *patiently* again and again while the store is unavailable: the agents wait meanwhile."""
        channel = self._state.spec.channel
        try:
            return await self._channels.append(channel, drafts, self._fence)
        except LogUnavailable as exc:
            if not patiently:
                raise
            log.warning("append_delayed", reason=exception_words(exc), **self._log_context)
        return await until_available(lambda: self._channels.append(channel, drafts, self._fence))

    def _encode(self, who: str | None, payload: Payload, t: int) -> bytes:
        data = encode_data(who, payload, t)
        participant = self._state.participants.get(who) if who is not None else None
        if participant is None or participant.stage is None or isinstance(payload, Started):
            return data
        return data[:-1] + _stage_of(participant)

    def _fold(self, agent_id: str | None, payload: Payload, entry: Entry) -> None:
        if agent_id is None or agent_id == PANEL:
            self._state.fold(agent_id, payload, entry.id)
            return
        participant = self._state.participants[agent_id]
        before = participant.status
        self._state.fold(agent_id, payload, entry.id)
        if participant.status != before:
            self._observer.agent_state(participant.info.configured, before, participant.status)

    def enter(self, participant: Participant, status: AgentStatus) -> None:
        """Give an agent a status that no event gives it."""
        self._observer.agent_state(participant.info.configured, participant.status, status)
        participant.enter(status)

    def _report(self, agent_id: str, payload: Done | Error | Cancelled) -> None:
        metrics = payload.metrics
        if metrics is None or self._blind_names is not None:
            return  # times and counts come with the reveal, and only there
        info = self._state.participants[agent_id].info
        self._observer.agent_ended(
            AttemptEnd(
                self._state.facts,
                info.configured,
                payload.attempt,
                payload.TYPE,
                payload.code if isinstance(payload, Error) else None,
                None if metrics.ttft_ms is None else metrics.ttft_ms / 1000,
                metrics.duration_ms / 1000,
                payload.usage.output_tokens if isinstance(payload, Done) and payload.usage else None,
                info.backend,
                info.model,
            )
        )
        log.info(
            "agent_ended",
            agent_id=agent_id,
            outcome=payload.TYPE,
            attempt=payload.attempt,
            duration_ms=metrics.duration_ms,
            ttft_ms=metrics.ttft_ms,
            **self._log_context,
        )


def _stage_of(participant: Participant) -> bytes:
    """Return what every event of an agent in a panel ends with; its `started` says it by itself."""
    number = ""
    if participant.round is not None:
        number = f',"round":{participant.round}'
    elif participant.layer is not None:
        number = f',"layer":{participant.layer}'
    return f',"stage":"{participant.stage}"{number}}}'.encode()


def texts_in_a_row(logged: Sequence[tuple[str | None, Payload]], start: int) -> list[str]:
    """Return the texts of the tokens from *start* on that one agent said, and no nested one."""
    who = logged[start][0]
    texts = []
    for at in range(start, len(logged)):
        agent_id, payload = logged[at]
        if agent_id != who or type(payload) is not Token or payload.parent is not None:
            break
        texts.append(payload.text)
    return texts
