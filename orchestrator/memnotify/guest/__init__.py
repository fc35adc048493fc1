"""One guest: QEMU, QMP, rendezvous, mailbox, templates, recordings."""
