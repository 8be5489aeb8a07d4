"""One run: how it starts, its agents, its panel, its events, what may be asked of it. Knows no file and no socket."""
