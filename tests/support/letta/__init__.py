"""Parts of the tests of the letta backend: a real server's environment, a wire server, a proxy."""
