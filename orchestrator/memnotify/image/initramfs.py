"""The initramfs of a guest: one program, and the few nodes that it needs before it creates others.

It is written by libarchive in the kernel's newc format, so device nodes need no root. It is
uncompressed, because the kernel would spend more guest time on unpacking it than QEMU on loading
it. The same program gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify.errors import InfrastructureError

RECIPE = 1
"""Increase this when the content that is written here changes: it is part of an image's key."""


@dataclass(frozen=True, slots=True)
class Node:
    """One entry that is not a file: a folder, or a character device if it has a number."""

    path: str
    permission: int
    device: tuple[int, int] | None = None


NODES = (
    Node("dev", 0o755),
    Node("dev/console", 0o600, (5, 1)),  # the kernel opens it for process 1
    Node("dev/mem", 0o600, (1, 1)),  # maps the region on old kernels without resource files
    Node("dev/null", 0o666, (1, 3)),
    Node("proc", 0o555),
    Node("sys", 0o555),
)


def _libarchive() -> Any:
    try:
        import libarchive  # loads the shared library, which may be missing
    except (ImportError, OSError, AttributeError, TypeError) as error:
        raise InfrastructureError(
            "libarchive",
            f"the libarchive library cannot be loaded: {error}",
            hint="apt-get install libarchive13",
        ) from error
    return libarchive


def write_initramfs(path: Path, *, program: bytes) -> None:
    """Write an initramfs whose /init is `program`.

    Raises InfrastructureError if libarchive is missing or the file cannot be written.
    """
    libarchive = _libarchive()
    kinds = libarchive.entry.FileType
    fixed: dict[str, Any] = {"uid": 0, "gid": 0, "mtime": 0}
    try:
        with libarchive.file_writer(str(path), "cpio_newc") as archive:
            for node in NODES:
                kind, number = kinds.DIRECTORY, {}
                if node.device is not None:
                    kind = kinds.CHAR_DEVICE
                    number = {"rdevmajor": node.device[0], "rdevminor": node.device[1]}
                archive.add_file_from_memory(
                    node.path, 0, b"", kind, node.permission, **number, **fixed
                )
            archive.add_file_from_memory(
                "init", len(program), program, kinds.REGULAR_FILE, 0o755, **fixed
            )
    except (OSError, libarchive.ArchiveError) as error:
        raise InfrastructureError("initramfs", f"{path} cannot be written: {error}") from error
