"""The log and the records of runs in one SQLite file."""
