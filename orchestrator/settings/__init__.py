"""The settings of agents, of the service and of its limits: types and defaults. Reads no file."""
