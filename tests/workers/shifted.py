"""`orchestrator serve` with a time of day that a file moves: ``python -m tests.workers.shifted serve …``.

The number in the file that `CLOCK_FILE` names is added to `time.time()`, in seconds, anew at each call. Nothing
else is changed: steady clocks go on, as they do where somebody sets the machine's clock.
"""

from __future__ import annotations

import os
import time

_real = time.time
_file = os.environ["CLOCK_FILE"]


def _shifted() -> float:
    with open(_file) as told:
        return _real() + float(told.read() or 0)


time.time = _shifted

if __name__ == "__main__":
    from orchestrator.cli import main

    main()
