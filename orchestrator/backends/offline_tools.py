"""The former address of `orchestrator.tools`, for agents' files that name it; goes with release 0.2."""

from .builtin_tools import calculator, clock, key_words, text_statistics

__all__ = ["calculator", "clock", "key_words", "text_statistics"]
