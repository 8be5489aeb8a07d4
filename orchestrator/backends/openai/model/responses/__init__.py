"""The Responses API: the fast model, and the decoding of what any vendor streams."""
