"""Agents and panels of another instance of this service, by its own protocol."""
