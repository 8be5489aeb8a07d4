"""Shows a run in a terminal or a pipe, and says what Ctrl-C means there. Starts nothing."""
