"""What every route needs of HTTP: streams, compression, security, problem documents, checked requests."""
