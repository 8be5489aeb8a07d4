"""The former address of `orchestrator.tools`, for agents' files that name it; goes with release 0.2."""

from .offline.tools import calculator, clock, find_key_words, key_words, text_statistics, words

__all__ = ["calculator", "clock", "find_key_words", "key_words", "text_statistics", "words"]
