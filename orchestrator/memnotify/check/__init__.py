"""Promises, wakeups, metrics and statistics of a log."""
