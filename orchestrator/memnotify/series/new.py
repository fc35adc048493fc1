"""Makes a series of the user's own from one that exists: a folder to edit."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import new_folder, writing
from memnotify.series.own import REVISION
from memnotify.series.quilt import CONFIG, NONE, SERIES, Series, bases_of, load_series
from memnotify.series.revision import load_revision
from memnotify.text import known_names, printable, shown

_TEXT = """\
# The promises of this series; patches/README.md of memnotify explains the keys.
# Those of {origin} hold, except for what this file says itself, such as
#
#   guard = {{ kind = "constant", seconds = 3.0 }}
#   without = ["zoneinfo"]

based_on = "{origin}"
"""


def new_series(folder: Path, origin: str, wanted: Sequence[str]) -> dict[str, Series]:
    """Copy the patches of a revision into a new folder, and return them by base.

    `wanted` are bases; without any, all that the revision is for. With one base, its patches are in
    the folder itself; with several, each base has a folder in it. revision.toml says that the
    promises are those of the revision, if it has any. Raises InputError if the folder exists, or
    has a name that a string of TOML cannot hold as it is.
    """
    if origin == NONE:
        raise InputError("none has no patches to start from", hint="--from v4, for example")
    known = bases_of(origin)
    for base in wanted:
        if base not in known:
            raise InputError(f"{origin} has no patches for {base}", hint=known_names(base, known))
    chosen = list(dict.fromkeys(wanted or known))
    found = {base: load_series(origin, base) for base in chosen}
    promises = load_revision(origin) is not None
    if printable(str(folder)) != str(folder) or set(str(folder)) & set('"\\'):
        raise InputError(
            f"{shown(str(folder))}: no campaign could name this folder",
            hint="use no control characters, quotes or backslashes",
        )
    if folder.exists():
        raise InputError("there is a file or a folder of this name already", file=folder)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as draft:
            for base, series in found.items():
                _copy(series, draft if len(found) == 1 else draft / base)
            if promises:
                text = _TEXT.format(origin=origin)
                (draft / REVISION).write_text(text, encoding="utf-8")
    return found


def _copy(series: Series, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    lines = []
    for patch in series.patches:
        shutil.copyfile(patch.path, folder / patch.name)
        lines.append(f"{patch.name} fuzz={patch.fuzz}" if patch.fuzz else patch.name)
    (folder / SERIES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if series.config is not None:
        shutil.copyfile(series.config, folder / CONFIG)
