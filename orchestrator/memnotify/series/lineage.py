"""The family tree of the revisions that are on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from memnotify.errors import InputError
from memnotify.places import from_where
from memnotify.series.quilt import MEM_NOTIFY, load_series, port_of, revisions
from memnotify.series.revision import Lineage, load_lineage, load_revision
from memnotify.text import known_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A revision with its place in the tree.

    `bases` are those that have patches. `branch` states for the revision and each of its ancestors,
    from the root on, whether it is the last of its siblings. `promises`: whether its file has any.
    `wrong` lists the errors in its files. `elsewhere` has the folder of the patches for each base
    that has them in one of the user's folders.
    """

    revision: str
    bases: tuple[str, ...]
    lineage: Lineage | None
    branch: tuple[bool, ...]
    promises: bool
    wrong: tuple[str, ...]
    elsewhere: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    bases: tuple[str, ...]
    lineage: Lineage | None
    promises: bool
    wrong: tuple[str, ...]
    elsewhere: Mapping[str, Path]


def family(root: Path = MEM_NOTIFY) -> list[Member]:
    """Return every revision except `none`, each before those that follow it, the oldest first.

    A revision whose files are wrong, or whose predecessor does not exist, is a root.
    """
    known = {name: _read(name, bases, root) for name, bases in revisions(root).items()}
    parents = {name: _parent(name, known) for name in known}
    return [
        Member(
            revision=name,
            bases=known[name].bases,
            lineage=known[name].lineage,
            branch=branch,
            promises=known[name].promises,
            wrong=(*known[name].wrong, *_astray(name, known)),
            elsewhere=known[name].elsewhere,
        )
        for name, branch in _walk(known, parents, None, ())
    ]


def _read(name: str, bases: tuple[str, ...], root: Path) -> _Known:
    wrong: list[str] = []
    lineage, promises = None, False
    places: dict[str, Path] = {}
    for base in bases:
        try:
            if (folder := port_of(name, base, root=root)) is not None:
                places[base] = folder
            load_series(name, base, root=root)
        except InputError as error:
            wrong.append(str(error))
    try:
        lineage = load_lineage(name, root=root)
        promises = load_revision(name, root=root) is not None
    except InputError as error:
        wrong.append(str(error))
    errors = tuple(dict.fromkeys(wrong))
    return _Known(
        bases=bases,
        lineage=lineage,
        promises=promises,
        wrong=errors,
        elsewhere={base: folder for base, folder in places.items() if from_where(folder)},
    )


def _follows(name: str, known: Mapping[str, _Known]) -> str | None:
    lineage = known[name].lineage
    return None if lineage is None else lineage.follows


def _parent(name: str, known: Mapping[str, _Known]) -> str | None:
    """Return the predecessor of a revision, if it exists and is not also its successor."""
    parent = at = _follows(name, known)
    seen: set[str] = set()
    while at is not None and at in known and at not in seen:
        if at == name:
            return None
        seen.add(at)
        at = _follows(at, known)
    return parent if parent in known else None


def _astray(name: str, known: Mapping[str, _Known]) -> Iterator[str]:
    follows = _follows(name, known)
    if follows is None or _parent(name, known) is not None:
        return
    if follows in known:
        yield f"{name} follows {follows}, and {follows} follows {name}"
    else:
        hint = known_names(follows, known)
        yield f"{name} follows {follows}, which does not exist" + (f" ({hint})" if hint else "")


def _walk(
    known: Mapping[str, _Known],
    parents: Mapping[str, str | None],
    parent: str | None,
    above: tuple[bool, ...],
) -> Iterator[tuple[str, tuple[bool, ...]]]:
    """Yield the revisions that follow one, by date and name, each with its branch."""

    def age(name: str) -> tuple[bool, str, str]:
        lineage = known[name].lineage
        return lineage is None, "" if lineage is None else lineage.date.isoformat(), name

    following = sorted((name for name in known if parents[name] == parent), key=age)
    for name in following:
        branch = (*above, name == following[-1])
        yield name, branch
        yield from _walk(known, parents, name, branch)
