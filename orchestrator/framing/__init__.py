"""Event → bytes, without I/O. One file per dialect."""
