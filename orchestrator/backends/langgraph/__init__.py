"""Graphs of LangGraph, run in this process."""
