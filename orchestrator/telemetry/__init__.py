"""Watches the service: log lines, metrics, traces. Decides nothing, and knows neither runs nor agents."""
