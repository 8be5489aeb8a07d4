"""One agent at work: its attempts, its limits, its mailbox. Knows no run and no log."""
