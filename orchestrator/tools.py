"""The tools that come with the package: a calculator, a clock, text statistics, key words, a comparison of answers.

`orchestrator.tools:calculator` and so on are the addresses to write into an agent's file. They are plain functions of
strings that need no key, no network and no SDK.
"""

from .backends.builtin_tools import calculator, clock, key_words, text_statistics
from .backends.offline.compare_answers import compare_answers

__all__ = ["calculator", "clock", "compare_answers", "key_words", "text_statistics"]
