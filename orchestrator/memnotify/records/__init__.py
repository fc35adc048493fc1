"""The log of a guest: its layout in shared memory, decoding, and comparing two logs."""
