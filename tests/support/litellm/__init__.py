"""LiteLLM as it really is: its environment, its proxy, and the SDK's extension in a process of its own."""
