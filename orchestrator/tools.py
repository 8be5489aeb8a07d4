"""The tools that come with the package: a calculator, a clock, text statistics, key words, a comparison of answers.

`orchestrator.tools:calculator` and so on are the addresses to write into an agent's file. They are plain functions of
strings that need no key, no network and no SDK.
"""

from .backends.offline.comparison import compare_answers
from .backends.tools import calculator, clock, key_words, text_statistics

__all__ = ["calculator", "clock", "compare_answers", "key_words", "text_statistics"]
