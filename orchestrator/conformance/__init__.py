"""Runs the protocol's promises against a running server, ours or somebody else's. Owns no part of the service.

It speaks HTTP and the public protocol alone: `python -m orchestrator.conformance http://127.0.0.1:8080`.
"""
