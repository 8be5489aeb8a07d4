"""The log, the records of runs and the work of several workers in Redis or Valkey."""
