"""A series written into a folder: all of it, or nothing."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from orchestrator.errors import InfrastructureError, InputError, no_space
from orchestrator.series.importer import Imported, ImportedSeries, number_of
from orchestrator.series.quilt import SERIES, Patch, read_series_file, series_lines


def write_series(
    imported: ImportedSeries, folder: Path, *, replace: bool = False
) -> tuple[str, ...]:
    """Write the patches and the `series` file into a folder, and return what there is to say.

    Patches of the folder that are in the series already keep their lines there, and comments stay
    before and behind the patch that they stood at. Raises InputError if the folder has patches that
    this would change, and `replace` is not given, and if it cannot be written.
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
                "there are other patches already",
                file=folder,
                hint="-o names another folder, or --replace puts these in their place",
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
    """Return the new text of a `series` file, and what it no longer says."""
    staying = {patch.name for patch in imported.patches if isinstance(patch, Patch)}
    known = {patch.name: (patch, line) for patch, line in series_lines(series)}
    above: dict[str, list[str]] = {}  # each patch's line, with those before it that name none
    run: list[str] = []
    for line in series.read_text().splitlines():
        run.append(line)
        name = next(iter(re.sub(r"(^|\s)#.*", "", line).split()), None)
        if name is not None:
            above[name], run = run, []
    replaced = {number_of(patch): patch for patch, _ in known.values() if patch.name not in staying}
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
    """Bring files of a folder to a state; whatever goes wrong, it is then as it was before."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".memnotify-", dir=folder) as scratch:
            fresh, kept = Path(scratch) / "fresh", Path(scratch) / "kept"
            fresh.mkdir()
            kept.mkdir()
            for name, data in wanted.items():
                (fresh / name).write_bytes(data)
            _swap(folder, fresh, kept, list(wanted), [*wanted, *gone])
    except BaseException:
        for place in made:
            if place.is_dir():
                place.rmdir()
        raise


def _swap(
    folder: Path, fresh: Path, kept: Path, new: Collection[str], old: Collection[str]
) -> None:
    away: list[str] = []
    here: list[str] = []
    try:
        for name in old:
            if (folder / name).exists():
                (folder / name).rename(kept / name)
                away.append(name)
        for name in new:
            (fresh / name).rename(folder / name)
            here.append(name)
    except BaseException:
        for name in here:
            (folder / name).unlink()
        for name in away:
            (kept / name).rename(folder / name)
        raise
