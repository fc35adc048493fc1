"""Checks and figures of a log: promises, wakeups, metrics and statistics."""
