"""Chat completions: the fast model, and the decoding of what any vendor streams."""
