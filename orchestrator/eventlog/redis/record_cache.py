"""Records of running runs that this process keeps beside Redis. Owns no connection.

Those of runs that it executes outlive a flush of Redis. Of those that it has offered to all workers only as many stay
as fit: most likely it takes them itself, and then need not read again what may be megabytes of images.
"""

from __future__ import annotations

from collections import OrderedDict

from ..run_store import RunRecord, record_bytes

OFFERED_BYTES = 8 * 1024 * 1024
"""Of the records of runs that were offered; the oldest go beyond this."""


class RecordCache:
    """Records by run."""

    def __init__(self) -> None:
        self._executed: dict[str, RunRecord] = {}
        self._offered: OrderedDict[str, RunRecord] = OrderedDict()
        self._offered_bytes = 0

    def __contains__(self, run_id: object) -> bool:
        """Whether this process executes the run."""
        return run_id in self._executed

    def get(self, run_id: str) -> RunRecord | None:
        """Return the record of a run that this process executes."""
        return self._executed.get(run_id)

    def keep(self, record: RunRecord) -> None:
        """Keep the record of a run that this process executes from now on."""
        self._take_back(record.run_id)
        self._executed[record.run_id] = record

    def offer(self, run_id: str) -> None:
        """Note that any worker may execute the run from now on."""
        record = self._executed.pop(run_id, None)
        if record is None:
            return
        self._offered[run_id] = record
        self._offered_bytes += record_bytes(record)
        while self._offered_bytes > OFFERED_BYTES:
            self._take_back(next(iter(self._offered)))

    def offered(self, run_id: str) -> RunRecord | None:
        """Return the record of a run that was offered, if it is still kept."""
        return self._offered.get(run_id)

    def drop(self, run_id: str) -> None:
        """Keep a run's record no more."""
        self._executed.pop(run_id, None)
        self._take_back(run_id)

    def _take_back(self, run_id: str) -> None:
        record = self._offered.pop(run_id, None)
        if record is not None:
            self._offered_bytes -= record_bytes(record)
