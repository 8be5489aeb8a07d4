"""The panel methods, one file each."""
