"""A series applied to a tree of the user's, or to the work tree of a base."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from orchestrator.kernel.base import Base, load_base
from orchestrator.kernel.pristine import pristine_files
from orchestrator.kernel.source import ensure_source
from orchestrator.kernel.tree import tree_folder, work_tree, write_files
from orchestrator.series.apply import Application, apply_series, read_tree
from orchestrator.series.quilt import (
    MEM_NOTIFY,
    SERIES,
    Series,
    base_for_version,
    named_series,
    read_series_file,
    revisions,
    tree_version,
)
from orchestrator.store import Store


def series_on(base: Base, revision: str, *, root: Path = MEM_NOTIFY) -> Series:
    """Return a revision's patches for a base, after those that every tree of the base gets.

    Raises InputError as `load_series` and `read_series_file` do.
    """
    series = named_series(revision, base.name, root=root)
    before = [patch for file in base.series for patch in read_series_file(file)]
    return dataclasses.replace(series, patches=(*before, *series.patches))


def apply_to_tree(
    revision: str, tree: Path, *, variant: str | None = None, check: bool = False
) -> tuple[Path, Application]:
    """Apply a revision to a tree, all of it or nothing; with `check` never any of it.

    `revision` may be a folder with a `series` file, or REV/BASE. `variant` is the base whose
    patches to take; if neither says that, the tree's Makefile decides. Returns the tree and how it
    applied. Raises InputError if the tree is none, no variant fits, or a patch does not apply.
    """
    version = tree_version(tree)
    name, _, given = revision.partition("/")
    folder = name not in revisions() and (Path(revision) / SERIES).is_file()
    base = variant or (version if folder else given or base_for_version(name, version))
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
    """Apply a revision to the work tree of a base's first architecture; fetch it if need be.

    Returns that tree and how it applied, the base's own patches included. Whatever series it had
    before is taken out first. Raises as `apply_to_tree` and `ensure_source` do.
    """
    known = load_base(base)
    series = series_on(known, revision)
    source = ensure_source(known, None, store=store, progress=progress)
    arch = known.arches[0]
    if check:
        pristine = pristine_files(source, arch, store=store, progress=progress)
        where = tree_folder(source, arch, store=store) / "linux"
        return where, apply_series(series, pristine)
    with work_tree(source, arch, store=store, progress=progress) as tree:
        return tree.path, tree.switch(series)
