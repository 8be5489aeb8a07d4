"""Agents that live in a Letta server: its requests, its messages, its runs, its failures."""
