"""A QEMU full-system testbed for the mem_notify patch series of 2008."""

__version__ = "0.1.0"
