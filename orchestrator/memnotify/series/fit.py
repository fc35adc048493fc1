"""How far a series fits a tree that it may not have been made for, patch by patch.

`apply_series` stops at the first patch that does not apply. Here the hunks of it that apply are
kept, and the later patches are judged as well: a table of trees is to show every hunk that needs
work, not only the first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unidiff.patch import PatchedFile, PatchSet

from memnotify.errors import InputError
from memnotify.series.apply import (
    AppliedHunk,
    FileState,
    apply_series,
    hunk_outcomes,
    put_files,
    read_tree,
    run_patch,
)
from memnotify.series.quilt import Patch, Series, revisions, tree_version
from memnotify.series.registered import registered

Read = Callable[[str], FileState | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The hunks of a patch that do not fit one file, and how many it has for that file."""

    file: str
    hunks: tuple[int, ...]
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFit:
    """How one patch fits: the hunks that moved, and those that failed; exactly if none did."""

    patch: Patch
    hunks: int
    shifted: tuple[AppliedHunk, ...] = ()
    failed: tuple[Failed, ...] = ()

    @property
    def outcome(self) -> str:
        """Return `applies`, `offset` (or fuzz that the series allows), or `fails`."""
        return "fails" if self.failed else "offset" if self.shifted else "applies"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFit:
    """How a series fits each of several trees; `fits` has a row for each tree, in that order."""

    series: Series
    trees: tuple[str, ...]
    fits: tuple[tuple[PatchFit, ...], ...]

    @property
    def name(self) -> str:
        return f"{self.series.revision}/{self.series.base}"


def fit_series(series: Series, read: Read) -> tuple[PatchFit, ...]:
    """Return how each patch fits the files that `read` returns, after the earlier hunks that fit.

    Raises InputError for a patch that is malformed or leaves the tree.
    """
    files: dict[str, FileState | None] = {}

    def now(name: str) -> FileState | None:
        return files[name] if name in files else read(name)

    fits = []
    for patch in series.patches:
        alone = Series(revision=series.revision, base=series.base, patches=(patch,))
        try:
            done = apply_series(alone, now)
        except InputError as error:
            fit, left = _fit_partly(patch, now, error)
        else:
            (applied,) = done.patches
            fit = PatchFit(patch=patch, hunks=applied.hunks, shifted=applied.shifted)
            left = dict(done.files)
        files.update(left)
        fits.append(fit)
    return tuple(fits)


def fit_trees(series: Sequence[Series], trees: Sequence[Path]) -> list[SeriesFit]:
    """Return how each series fits each tree. Raises InputError, also if a folder is not a tree."""
    names = tree_names(trees)
    return [
        SeriesFit(
            series=one,
            trees=names,
            fits=tuple(fit_series(one, read_tree(tree)) for tree in trees),
        )
        for one in series
    ]


def tree_names(trees: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for each tree: its version, or its folder if two have the same version."""
    versions = [tree_version(tree) for tree in trees]
    return tuple(
        version if versions.count(version) == 1 else str(tree)
        for version, tree in zip(versions, trees, strict=True)
    )


def chosen(revision: Sequence[str], base: Sequence[str]) -> list[tuple[str, str]]:
    """Return revision and base of each of the project's series, or of those that are named.

    Series that the user has registered are included only if they are named. Raises InputError for a
    name that selects none.
    """
    known = [(name, one) for name, bases in revisions().items() for one in bases]
    for kind, word, names in (
        *(("series", word, {name for name, _ in known}) for word in revision),
        *(("base", word, {one for _, one in known}) for word in base),
    ):
        if word not in names:
            hint = f"there are: {', '.join(sorted(names))}" if names else None
            raise InputError(f"there is no {kind} {word}", hint=hint)
    of_users = registered()
    return [
        (name, one)
        for name, one in known
        if (name in revision if revision else name not in of_users) and (not base or one in base)
    ]


def _fit_partly(
    patch: Patch, read: Read, error: InputError
) -> tuple[PatchFit, dict[str, FileState | None]]:
    """Return how a failing patch fits, and its files with the hunks that do apply."""
    shifted: list[AppliedHunk] = []
    failed: list[Failed] = []
    files = PatchSet(patch.path.read_bytes().decode(errors="surrogateescape"))
    with tempfile.TemporaryDirectory(prefix="memnotify-fit-") as folder:
        scratch = Path(folder)
        tree = scratch / "tree"
        tree.mkdir()
        names = {_name(file): read(_name(file)) for file in files}
        put_files(tree, names)
        for file in files:
            # One file at a time: if patch refuses a file as a whole, its output need not be read.
            part = scratch / "part"
            part.write_bytes(str(file).encode(errors="surrogateescape"))
            done, text = run_patch(part, tree, fuzz=patch.fuzz)
            moved, refused = hunk_outcomes(text)
            shifted += moved
            if not done:
                numbers = tuple(number for _, number in refused) or tuple(range(1, len(file) + 1))
                failed.append(Failed(file=_name(file), hunks=numbers, of=len(file)))
        left = {name: read_tree(tree)(name) for name in names}
    if not failed:
        raise error  # the reason is not a hunk that does not fit
    hunks = sum(len(file) for file in files)
    return PatchFit(patch=patch, hunks=hunks, shifted=tuple(shifted), failed=tuple(failed)), left


def _name(file: PatchedFile) -> str:
    """Return the file of the tree that a part of a patch is for."""
    name = file.target_file if file.source_file == "/dev/null" else file.source_file
    return str(PurePosixPath(*name.split("/")[1:]))
