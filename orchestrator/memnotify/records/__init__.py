"""The log's layout in shared memory, decoding, comparing two logs."""
