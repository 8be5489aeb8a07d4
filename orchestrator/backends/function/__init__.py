"""Agents that are async generator functions of the user's own."""
