"""Conversion factors between units. Names of quantities contain their unit."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
KIB_PER_MIB = 1024
BYTES_PER_MIB = 1 << 20
PAGES_PER_MIB = 256
"""In guests; pages are 4 KiB on every architecture here."""
