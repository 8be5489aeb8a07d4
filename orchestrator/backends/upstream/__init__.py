"""What backends that ask a server over HTTP share: connections, bounds, failures, reasons. Knows no kind."""
