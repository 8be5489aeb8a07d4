"""How a run looks in a terminal or a pipe, and what Ctrl-C means there. Starts nothing."""
