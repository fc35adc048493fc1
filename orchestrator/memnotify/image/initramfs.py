"""The initramfs of a guest: one program, and the few nodes that it needs before it creates others.

It is written by libarchive in the kernel's newc format, so device nodes need no root. It is
uncompressed, because the kernel would spend more guest time on unpacking it than QEMU on loading
it. The same program gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFile:
    """A program of the user's own; images/guest/own/own.h says where the guest program finds it."""

    name: str
    content: bytes
    args: tuple[str, ...]
    wakeup_line: str

    def files(self, number: int) -> list[tuple[str, int, bytes]]:
        """Return path, permission and content of its files; `number` counts from 1."""
        folder = f"own/program/{number}"
        words = b"".join(word.encode() + b"\0" for word in (self.name, *self.args))
        found = [
            (f"{folder}/bin/{self.name}", 0o755, self.content),
            (f"{folder}/args", 0o444, words),
        ]
        if self.wakeup_line:
            found.append((f"{folder}/wakeup", 0o444, self.wakeup_line.encode()))
        return found

    def folders(self, number: int) -> list[Node]:
        return [Node(f"own/program/{number}{end}", 0o755) for end in ("", "/bin")]


NODES = (
    Node("dev", 0o755),
    Node("dev/console", 0o600, (5, 1)),  # the kernel opens it for process 1
    Node("dev/mem", 0o600, (1, 1)),  # maps the region on old kernels without resource files
    Node("dev/null", 0o666, (1, 3)),
    Node("proc", 0o555),
    Node("sys", 0o555),
)


_OWN_NODES = (Node("own", 0o755), Node("own/program", 0o755))


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


def write_initramfs(path: Path, *, program: bytes, clients: Sequence[ClientFile] = ()) -> None:
    """Write an initramfs whose /init is `program`; with programs for clients, in their order.

    Raises InfrastructureError if libarchive is missing or the file cannot be written.
    """
    libarchive = _libarchive()
    kinds = libarchive.entry.FileType
    fixed: dict[str, Any] = {"uid": 0, "gid": 0, "mtime": 0}
    try:
        with libarchive.file_writer(str(path), "cpio_newc") as archive:
            numbered = list(enumerate(clients, 1))
            own = [node for number, client in numbered for node in client.folders(number)]
            for node in (*NODES, *(_OWN_NODES if clients else ()), *own):
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
            files = [file for number, client in numbered for file in client.files(number)]
            for name, permission, content in files:
                archive.add_file_from_memory(
                    name, len(content), content, kinds.REGULAR_FILE, permission, **fixed
                )
    except (OSError, libarchive.ArchiveError) as error:
        raise InfrastructureError("initramfs", f"{path} cannot be written: {error}") from error
