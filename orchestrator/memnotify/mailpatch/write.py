"""Write a series into a folder: all or nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from memnotify.errors import InfrastructureError, InputError, no_space
from memnotify.mailpatch.restore_series import Imported, ImportedSeries, number_of
from memnotify.series.quilt import NAMES, PENDING, SERIES, Patch, read_series_file, series_lines

_FRESH, _KEPT = "fresh", "kept"  # new files, and those that they replace


def write_series(
    imported: ImportedSeries, folder: Path, *, replace: bool = False
) -> tuple[str, ...]:
    """Write the patches and the `series` file into a folder, and return notes for the user.

    Patches of the folder that are already in the series keep their lines there, and comments stay
    before and after their patch. Raises InputError if the folder has patches that this would change
    and `replace` is not given, and if it cannot be written.
    """
    series = folder / SERIES
    old = {patch.name for patch in read_series_file(series)} if series.is_file() else set()
    text, said = _series_text(imported, series) if old else (_names(imported), ())
    fresh = {patch.name: patch.data for patch in imported.patches if isinstance(patch, Imported)}
    wanted = {**fresh, SERIES: text.encode()}
    try:
        there = {name: (folder / name).read_bytes() for name in wanted if (folder / name).exists()}
        if there == wanted:
            return said
        if not replace and there:
            raise InputError(
                "the folder already has other patches",
                file=folder,
                hint="name another folder with -o, or replace them with --replace",
            )
        _put(folder, wanted, old - {patch.name for patch in imported.patches})
    except OSError as error:
        if no_space(error):
            raise InfrastructureError("disk-full", f"{folder}: no space for the series") from error
        hint = "-o names a folder that you may write"
        raise InputError("cannot be written", file=folder, hint=hint) from error
    return said


def _names(imported: ImportedSeries) -> str:
    return "".join(patch.name + "\n" for patch in imported.patches)


def _series_text(imported: ImportedSeries, series: Path) -> tuple[str, tuple[str, ...]]:
    """Return the new text of a `series` file, and notes about what was dropped from it."""
    staying = {patch.name for patch in imported.patches if isinstance(patch, Patch)}
    known = {patch.name: (patch, line) for patch, line in series_lines(series)}
    above: dict[str, list[str]] = {}  # each patch's line, and those above it without a patch
    run: list[str] = []
    for line in series.read_text(encoding="utf-8").splitlines():
        run.append(line)
        name = next(iter(re.sub(r"(^|\s)#.*", "", line).split()), None)
        if name is not None:
            above[name], run = run, []
    replaced = {number_of(patch): patch for patch, _ in known.values() if patch.name not in staying}
    if not staying.issubset(above):
        raise InputError("has changed since this import began", file=series, hint="import again")
    lines: list[str] = []
    said: list[str] = []
    for patch in imported.patches:
        if isinstance(patch, Patch):
            lines += above[patch.name]
            continue
        before = replaced.get(number_of(patch))
        if before is None:
            lines.append(patch.name)
            continue
        *comments, line = above.pop(before.name)
        lines += [*comments, re.sub(r"\s+fuzz=\d", "", line.replace(before.name, patch.name, 1))]
        if before.fuzz:
            said.append(f"{patch.name} needs no fuzz: fuzz={before.fuzz} is left out of {series}")
    return "".join(line + "\n" for line in [*lines, *run]), tuple(said)


def _put(folder: Path, wanted: Mapping[str, bytes], gone: Collection[str]) -> None:
    """Replace files of a folder; if anything goes wrong, the folder is restored.

    While the file `names` exists, which lists the new files, the folder is not read as a series. If
    this process is killed, the next import undoes what it did.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    scratch = folder / PENDING
    scratch.mkdir(parents=True)
    try:
        for name in (_FRESH, _KEPT):
            (scratch / name).mkdir()
        for name, data in wanted.items():
            (scratch / _FRESH / name).write_bytes(data)
        there = [name for name in {*wanted, *gone} if (folder / name).exists()]
        for name in there:
            shutil.copy2(folder / name, scratch / _KEPT / name)
        draft = scratch / "draft"
        draft.write_text(
            "".join(name + "\n" for name in wanted if name not in there), encoding="utf-8"
        )
        draft.rename(scratch / NAMES)
        for name in wanted:
            (scratch / _FRESH / name).rename(folder / name)
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        (scratch / NAMES).unlink()
    except BaseException:
        undo_killed(folder)
        for place in made:
            if place.is_dir():
                place.rmdir()
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def undo_killed(folder: Path) -> None:
    """Undo an interrupted import into a folder. Call it with the folder's lock held.

    Raises InputError if the folder does not have what an import leaves: it may come from others,
    and only files of an import are touched.
    """
    scratch = folder / PENDING
    if scratch.is_symlink():
        raise _foreign(scratch, "is a link, which no import makes")
    if (scratch / NAMES).exists():
        made, kept = _left_by(folder)
        for path in made:
            path.unlink()
        for path in kept:
            path.rename(folder / path.name)
        (scratch / NAMES).unlink()
    if scratch.is_dir():
        shutil.rmtree(scratch)


def _left_by(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files that a killed import created in a folder, and the old ones that it saved."""
    file, keeping = folder / PENDING / NAMES, folder / PENDING / _KEPT
    if not _is_plain(file):
        raise _foreign(file, "is not a plain file")
    try:
        names = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise _foreign(file, "is not text") from error
    for name in names:
        if "/" in name or name in ("", ".", ".."):
            raise _foreign(file, f"{name!r} is not a plain name")
    if keeping.is_symlink() or not keeping.is_dir():
        raise _foreign(file, f"there is no folder {_KEPT} beside it")
    there = {path.name: path for path in folder.iterdir()}
    made = [there[name] for name in dict.fromkeys(names) if name in there]
    kept = list(keeping.iterdir())
    for path in (*made, *kept):
        if not _is_plain(path):
            raise _foreign(file, f"{path.relative_to(folder)} is not a plain file")
    for path in kept:
        if path.name in there and there[path.name].is_dir():
            raise _foreign(file, f"{path.name} is a folder, but was a file")
    return made, kept


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _foreign(file: Path, what: str) -> InputError:
    hint = f"nothing was undone: look through the folder, then remove its {PENDING}"
    return InputError(what, file=file, hint=hint)
