"""Apply a series to a user's tree, or to the work tree of a base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from memnotify.kernel.base import Base, load_base
from memnotify.kernel.fixes import fixes_for
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import ensure_source
from memnotify.kernel.tree import tree_folder, work_tree, write_files
from memnotify.series.apply import Application, Reader, apply_series, read_tree
from memnotify.series.own import is_own
from memnotify.series.quilt import (
    MEM_NOTIFY,
    Series,
    base_for_version,
    is_known,
    named_series,
    tree_version,
)
from memnotify.store import Store


def series_on(base: Base, revision: str, read: Reader, *, root: Path = MEM_NOTIFY) -> Series:
    """Return a revision's patches for a base, preceded by the base's own patches.

    `read` returns the tree's files. Raises InputError as `named_series` and `fixes_for` do.
    """
    series = named_series(revision, base.name, root=root)
    return fixes_for(base, read).on(series)


def apply_to_tree(
    revision: str, tree: Path, *, variant: str | None = None, check: bool = False
) -> tuple[Path, Application]:
    """Apply a revision to a tree, completely or not at all; with `check`, write nothing.

    `revision` may be a folder with a `series` file, or REV/BASE. `variant` is the base whose
    patches to use; if neither names a base, the tree's Makefile decides. Returns the tree and how
    the series applied. Raises InputError if the folder is not a kernel tree, no variant fits, or a
    patch does not apply.
    """
    version = tree_version(tree)
    name, _, given = revision.partition("/")
    own = not is_known(name) or is_own(name)
    base = variant or (version if own else given or base_for_version(name, version))
    series = named_series(revision, base)
    applied = apply_series(series, read_tree(tree))
    if not check:
        write_files(tree, applied.files)
    return tree, applied


def apply_to_base(
    revision: str,
    base: str,
    *,
    check: bool = False,
    store: Store,
    progress: Callable[[str], None],
) -> tuple[Path, Application]:
    """Apply a revision to the work tree of a base's first architecture; fetch it if needed.

    Returns that tree and how the patches applied, including the base's own. A series that the tree
    had before is removed first. Raises as `apply_to_tree` and `ensure_source` do.
    """
    known = load_base(base)
    named_series(revision, known.name)  # report its errors before a download
    source = ensure_source(known, None, store=store, progress=progress)
    arch = known.arches[0]
    pristine = pristine_files(source, arch, store=store, progress=progress)
    series = series_on(known, revision, pristine)
    if check:
        where = tree_folder(source, arch, store=store) / "linux"
        return where, apply_series(series, pristine)
    with work_tree(source, arch, store=store, progress=progress) as tree:
        return tree.path, tree.switch(series)
