"""Servers of other frameworks: their programs, their environments, how each is started and asked."""
