"""Tar archives of our own, which are unpacked as they are."""

from __future__ import annotations

import tarfile


def trust_all(archive: tarfile.TarFile) -> None:
    """Switch filters off: 3.14 changes permissions by default, and 3.12 and 3.13 warn of it."""
    # Python 3.11.2, of Debian 12, has no filters.
    if hasattr(tarfile, "fully_trusted_filter"):
        archive.extraction_filter = tarfile.fully_trusted_filter
