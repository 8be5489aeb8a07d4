"""Agents behind AG-UI, 1.0 and 0.0.x, whatever framework they are made with."""
