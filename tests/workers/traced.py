"""`orchestrator serve` where somebody collects traces: ``python -m tests.workers.traced serve …``.

Each span becomes a line of JSON in the file that `SPANS_FILE` names. They are kept back for as long as a
collector's exporter may keep them, so that only what is flushed at the end gets there.
"""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

if __name__ == "__main__":
    from orchestrator.cli import main

    # One write for each line, as several processes append.
    file = open(os.environ["SPANS_FILE"], "a", buffering=1)  # noqa: SIM115
    exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=600_000))
    trace.set_tracer_provider(provider)
    main()
