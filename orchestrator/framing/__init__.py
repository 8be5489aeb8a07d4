"""Events as the bytes of a dialect, without I/O: one file per dialect, and their table (`base`)."""
