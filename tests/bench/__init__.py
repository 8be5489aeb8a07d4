"""Measures this service beside what people would use instead: ``python -m tests.bench``. See README.md."""
