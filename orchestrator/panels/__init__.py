"""Several agents come to one answer: methods, prompts, choices, the sitting. Knows no run and no store."""
