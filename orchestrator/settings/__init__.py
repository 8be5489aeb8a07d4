"""What agents, the service and its limits may be told: types and defaults. Reads no file."""
