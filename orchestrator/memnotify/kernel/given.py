"""Sources that the user gave: where they were, and whether they have changed since.

The store keeps a copy, by content, and kernels are built from that. A note beside the pointer to it
says where the user's tree is, so that a later run can tell whether that has changed.
"""

from __future__ import annotations

import os
from pathlib import Path

from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.files import replace_text
from memnotify.jsontext import dump, parse
from memnotify.kernel.base import Base, bases, load_base
from memnotify.kernel.stored import pointer
from memnotify.places import command
from memnotify.store import Store

_GIT = ".git"


def note_given(base: Base, key: str, path: Path | None, *, store: Store) -> None:
    """Note where the source with this key was given, from which a base is built from now on."""
    file = _note(base, store)
    if path is None:
        file.unlink(missing_ok=True)
        return
    facts = {"key": key, "path": str(path.absolute()), "stamp": _stamp(path)}
    replace_text(file, dump(facts) + "\n")


def told_of_given(base: Base, *, store: Store, only_changed: bool = False) -> str | None:
    """Return a line on the source that a base is built from, if the user gave it.

    `only_changed`: only if the user's tree has changed since.
    """
    try:
        key = pointer(base, store).read_text(encoding="utf-8").strip()
        facts = parse(_note(base, store).read_bytes())
        path = Path(facts["path"])
        if facts["key"] != key:
            return None
        changed = path.exists() and _stamp(path) != facts["stamp"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if changed:
        return (
            f"{base.name} is built from a copy of {path}, which has changed since: "
            f"`{command(f'kernel fetch {base.name} --source {path}')}` takes what it is now"
        )
    return None if only_changed else f"{base.name} is built from {path}, as it was given before"


def _note(base: Base, store: Store) -> Path:
    # No base can have this name.
    return store.folder("sources") / f".{base.name}.given"


def _stamp(path: Path) -> str:
    """Return a digest of the names, sizes and times of files, which is quick to compute."""
    found = []
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if name != _GIT)
        inner = folder.removeprefix(str(path))
        for name in sorted(files):
            stat = Path(folder, name).lstat()
            found.append([f"{inner}/{name}", *_seen(stat)])
    return digest_value(found or [[".", *_seen(path.lstat())]])


def _seen(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns]


def not_this_base(base: Base, version: str, *, given: Path | None, origin: str = "") -> InputError:
    """Return the error for a tree of another version: which base it is, or how to add one."""
    where = given or "TREE"
    fitting = bases_for(version, but=base.name)
    if fitting:
        known = command(f"kernel build {fitting[0]} --source {where}")
        hint = f"it is base {fitting[0]}: `{known}`"
    else:
        new = command(f"kernel new NAME --like {base.name} --source {where}")
        hint = f"`{new}` adds a base for it; see docs/howto/own-kernel.md"
    text = f"{origin or 'this'} is Linux {version}, which is not {base.name}"
    return InputError(text, file=None if origin else given, hint=hint)


def bases_for(version: str, *, but: str) -> list[str]:
    """Return the other bases that accept a tree of this version."""
    return [name for name in bases() if name != but and _accepts(name, version)]


def _accepts(name: str, version: str) -> bool:
    try:
        return load_base(name).accepts(version)
    except InputError:
        return False
