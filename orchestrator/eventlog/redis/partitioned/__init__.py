"""The log over several partitions of one Redis, or over the slots of a cluster."""
