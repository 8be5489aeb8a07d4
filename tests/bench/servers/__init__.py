"""What is measured: this service and its rivals, each a program that prints its address once it listens."""
