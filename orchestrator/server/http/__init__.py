"""The HTTP that every route needs: streams, compression, security, problem documents, checked requests."""
