"""The former address of `orchestrator.tools:compare_answers`, for agents' files that name it; goes with release 0.2."""

from .offline.compare_answers import compare_answers

__all__ = ["compare_answers"]
