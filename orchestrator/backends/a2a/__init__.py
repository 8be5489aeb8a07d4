"""Agents behind A2A 1.0, whatever framework they are made with."""
