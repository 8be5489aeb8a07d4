"""Connections to Redis: addresses, the servers behind them, one connection, the client over all, failures."""
