"""Read the unpatched files of a base, also while a build runs in the same work tree.

Before a build overwrites a file, it saves the original and records that in the tree's state. So a
file is unpatched if it has the size and times that it was unpacked with; if not, its original has
been saved.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from memnotify.errors import InfrastructureError
from memnotify.kernel.stored import Source
from memnotify.kernel.tree import read_stamps, read_state, stamp, tree_folder, work_tree
from memnotify.model import Arch
from memnotify.series.apply import FileState, read_tree
from memnotify.store import Store

_TRIES = 3


def pristine_files(
    source: Source, arch: Arch, *, store: Store, progress: Callable[[str], None]
) -> Callable[[str], FileState | None]:
    """Return a reader of a source's files by name (None: no such file).

    The work tree is locked only if it must be unpacked, or was changed by something else. The
    reader raises InputError as that of `read_tree` does, and InfrastructureError if the tree keeps
    changing.
    """
    folder = tree_folder(source, arch, store=store)
    reader: _Reader | None = None

    def reopen() -> _Reader:
        with work_tree(source, arch, store=store, progress=progress):
            return _Reader(folder)

    def read(name: str) -> FileState | None:
        nonlocal reader
        for _ in range(_TRIES):
            try:
                reader = reader or _Reader(folder)
                return reader.read(name)
            except (_UnsoundError, OSError, ValueError):
                reader = reopen()
        raise InfrastructureError("tree", f"{folder} keeps changing while it is being read")

    return read


class _UnsoundError(Exception):
    """A file is not the source's, and its original has not been saved."""


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = read_stamps(folder)

    def read(self, name: str) -> FileState | None:
        tree = self.folder / "linux"
        wanted = self.files.get(name)
        before = stamp(tree / name)
        if wanted is None and before is None:
            # Not in the source; or a folder in it, or below a link, which this reader reports.
            return read_tree(tree)(name)
        if before is not None and before == wanted:
            state = read_tree(tree)(name)
            if stamp(tree / name) == before:
                return state
        kept = read_state(self.folder).modes
        if name not in kept:
            if wanted is not None:
                raise _UnsoundError(name)
            # A file that no series added is a product of a build.
            return read_tree(tree)(name) if (tree / name).is_dir() else None
        mode = kept[name]
        if mode is None:
            return None
        return FileState((self.folder / "originals" / name).read_bytes(), mode)
