"""Several agents come to one answer: methods, prompts, choices, the session. Knows no run and no store."""
