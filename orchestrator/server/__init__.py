"""The service over HTTP: its application, its routes, its workers. Knows no agent and no store by kind."""
