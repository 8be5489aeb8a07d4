"""Agents that need no key and no network: a script in place of the model, run by the real Agents SDK runner."""
