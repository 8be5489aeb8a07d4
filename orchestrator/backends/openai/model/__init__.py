"""The fast models of the Agents SDK: the SDK's own requests, our own sending and decoding of what comes back."""
