"""The guest program, its usage example and the initramfs."""
