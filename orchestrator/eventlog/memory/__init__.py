"""The log and the records of runs in this process's memory; gone with the process."""
