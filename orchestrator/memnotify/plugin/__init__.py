"""The pytest plugin: cells as tests, and the `cell` fixture."""
