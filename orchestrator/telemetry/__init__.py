"""How the service is watched: its log lines. Decides nothing, and knows neither runs nor agents."""
