"""The folder of a run: what is written, when it counts as present, and how it is read back.

    campaign.toml  plan.json  shard.json  commands.jsonl
    cells/<id>/{manifest.json,verdict.json,records.parquet,...}
    plan.parquet  results/*.parquet      only if there are many cells (dataset.py)

A cell's folder is made under another name and then renamed, so it is either complete or absent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from memnotify.campaign.row import PlanRow
from memnotify.digest import digest_file, seal_holds, sealed
from memnotify.errors import InputError
from memnotify.files import DRAFT, draft_folder, read_text, replacing
from memnotify.jsontext import by_key, dump, parse
from memnotify.model import CONSOLE as CONSOLE
from memnotify.model import RECORDS as RECORDS
from memnotify.model import Ending, Outcome
from memnotify.places import command
from memnotify.results.dataset import (
    MANY,
    PLAN_ROWS,
    REACTION,
    RESULTS,
    Dataset,
    Noted,
    write_plan,
)
from memnotify.results.manifest import Manifest
from memnotify.results.plan_file import CAMPAIGN as CAMPAIGN
from memnotify.results.plan_file import PLAN as PLAN
from memnotify.results.plan_file import SHARD, PlanFile, no_link
from memnotify.results.verdict import Verdict
from memnotify.text import similar

MANIFEST = "manifest.json"
VERDICT = "verdict.json"
MACHINE = "machine.cfg"

ATTEMPTS = "attempts"
"""In the folder of a cell: the files of earlier attempts, in 1, 2, ..."""


class RunFolder:
    """One run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells = path / "cells"
        self._dataset: Dataset | None = None
        self._plan = PlanFile(path)

    def make(self) -> None:
        """Make the folder. Raises InputError if that fails, before anything is built."""
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot be used for results: {error.strerror}", file=self.path
            ) from error

    def begin(
        self, campaign: bytes, plan: Sequence[PlanRow], *, whole: Sequence[str] | None = None
    ) -> None:
        """Write campaign.toml and plan.json. Call it with the run's lock held.

        If the plan covers only one part of a campaign, `whole` has the names of all of its cells.
        """
        _write(self.path / CAMPAIGN, campaign)
        if len(plan) > MANY:
            write_plan(self.path / PLAN_ROWS, plan)
            _write(self.path / PLAN, to_json({"cells": len(plan), "rows": PLAN_ROWS}).encode())
            self._dataset = Dataset(self.path)
        else:
            _write(self.path / PLAN, to_json([row.to_json() for row in plan]).encode())
            (self.path / PLAN_ROWS).unlink(missing_ok=True)
        if whole is None:
            (self.path / SHARD).unlink(missing_ok=True)
        else:
            _write(self.path / SHARD, to_json({"whole": list(whole)}).encode())

    def finish(self) -> None:
        """Write what the dataset of a large run lacks. Raises OSError."""
        if self._dataset is not None:
            self._dataset.write()

    @property
    def begun(self) -> bool:
        """Whether there is a plan, valid or not."""
        return (self.path / PLAN).exists()

    def clear(self) -> None:
        """Remove what a killed run left unfinished. Call it with the run's lock held."""
        for path in self.cells.glob(DRAFT + "*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.path / RESULTS).glob(DRAFT + "*"):
            path.unlink(missing_ok=True)

    def cell(self, cell_id: str) -> Path:
        """Return a cell's folder, existing or not. Raises InputError if it contains links."""
        return without_links(self.cells / cell_id)

    def has(self, cell_id: str) -> bool:
        """Return whether a cell's results are present and complete.

        An infrastructure failure is not a result. Raises InputError if the folder contains links.
        """
        folder = self.cell(cell_id)
        try:
            return _outcome(folder).ending is not Ending.INFRASTRUCTURE
        except InputError:
            return False

    def manifest(self, cell_id: str) -> Manifest:
        """Return the manifest of a cell with complete results, including a failed one.

        Raises InputError that names what is damaged or missing.
        """
        folder = self.cell(cell_id)
        _outcome(folder)
        return read_manifest(folder)

    def results(self) -> tuple[dict[str, Path], list[str]]:
        """Return the folders of the cells with complete results, by id, including failed ones.

        They are in the order of the plan. Also returns a line for each cell with incomplete
        results: it counts as not run.
        """
        whole, damaged, _ = self.found()
        return whole, damaged

    def found(self) -> tuple[dict[str, Path], list[str], Noted]:
        """Return the same, and the dataset that has the verdicts of some of them."""
        whole: dict[str, Path] = {}
        damaged = []
        noted = Noted(self.path)
        for cell_id in self.ids():
            if noted.holds(self.cells / cell_id):
                whole[cell_id] = self.cells / cell_id
                continue
            folder = self.cell(cell_id)
            if not folder.exists():
                continue
            try:
                _outcome(folder)
                whole[cell_id] = folder
            except InputError as error:
                damaged.append(f"damaged: {error}; run the campaign again")
        return whole, damaged, noted

    def has_results(self) -> bool:
        """Return whether `results` has any cell; it looks no further than the first."""
        for cell_id in self.ids():
            with suppress(InputError):
                _outcome(self.cell(cell_id))
                return True
        return False

    @contextmanager
    def draft(self, cell_id: str) -> Iterator[Path]:
        """Provide an empty folder for one attempt; it is removed afterwards unless published."""
        with draft_folder(self.cells, name=f"{cell_id}-", private=True) as folder:
            yield folder

    def publish(
        self,
        cell_id: str,
        draft: Path,
        *,
        manifest: Manifest,
        verdict: Verdict,
        failed: Path | None = None,
    ) -> None:
        """Complete a draft with manifest and verdict, and move it to the cell's place.

        The content of `failed`, left by earlier attempts, goes with it.
        """
        if failed is not None and any(failed.iterdir()):
            failed.rename(draft / ATTEMPTS)
        _write_new(draft / VERDICT, by_key(verdict.to_json()).encode())
        seal_results(draft, {**manifest.to_json(), "id": cell_id})
        draft.chmod(0o755)
        place = self.cells / cell_id
        if place.exists():
            with self.draft(cell_id) as aside:
                place.rename(aside / "old")
                draft.rename(place)
        else:
            draft.rename(place)
        if self._dataset is not None:
            self._dataset.add(
                place,
                verdict.to_json(),
                origin=manifest.overview(),
                reaction=_text_if_any(place / REACTION),
            )

    def plan(self) -> list[PlanRow]:
        """Return plan.json. Raises InputError if the folder is not a run's, or contains links."""
        return self._plan.rows()

    def ids(self) -> list[str]:
        """Return the ids of the cells of the plan. Raises as `plan`, which takes longer."""
        return self._plan.ids()

    def whole(self) -> list[str]:
        """Return the names of all cells of the campaign, even if this run is one part of it."""
        file = self.path / SHARD
        if not file.exists():
            return [row.name for row in self.plan()]
        names = read_json(file).get("whole")
        if not isinstance(names, list):
            raise InputError("has no list of cells", file=file)
        return [str(name) for name in names]

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts of the cells with complete results, in the order of the plan.

        Raises InputError if one has another version.
        """
        return list(self.judged()[1])

    def judged(self) -> tuple[list[str], Iterator[Verdict]]:
        """Return the lines of `results` about damage, and the verdicts, which are read one by one.

        So a reader need not have them all in memory, and none is looked for twice.
        """
        whole, damaged, noted = self.found()
        found = whole.values()
        return damaged, (noted_verdict(noted, folder) or read_verdict(folder) for folder in found)

    def find(self, wanted: str) -> str:
        """Return the id of a cell by its id, a prefix of it, or its name."""
        plan = self.plan()
        ids = [row.id for row in plan if row.name == wanted]
        ids = ids or [row.id for row in plan if wanted and row.id.startswith(wanted)]
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise InputError(f"{wanted} is ambiguous: it matches {', '.join(ids)}")
        see = f"see {command(f'show {self.path}')}"
        meant = similar(wanted, [name for row in plan for name in (row.name, row.id)])
        raise InputError(
            f"{self.path} has no cell {wanted}", hint=f"{meant} {see}" if meant else see
        )


def _text_if_any(file: Path) -> str | None:
    try:
        return read_text(file)
    except (OSError, ValueError):
        return None  # nothing needs it


def _outcome(folder: Path) -> Outcome:
    """Return the outcome of a cell. Raises InputError if its results are incomplete."""
    written = read_json(file := folder / MANIFEST)
    files, outcome = written.get("files"), written.get("outcome")
    if not (seal_holds(written) and isinstance(files, dict) and isinstance(outcome, str)):
        raise InputError("changed since it was written", file=file)
    if written.get("id", folder.name) != folder.name:  # older manifests have no id
        raise InputError("belongs to another cell", file=file)
    for name in files:
        if name != Path(name).name:  # it would be a path to another folder
            raise InputError(f"{name!r} is not a file of a cell", file=file)
    for name, digest in files.items():
        try:
            found = digest_file(file := folder / name)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read: {error}", file=file) from error
        if found != digest:
            raise InputError("changed since it was written", file=file)
    try:
        return Outcome.parse(outcome)
    except ValueError as error:
        raise InputError(str(error), file=folder / MANIFEST) from error


def without_links(folder: Path) -> Path:
    """Return a folder of results, existing or not. Raises InputError if it is or contains a link.

    Somebody may have sent the run, and a link could lead to any of our files.
    """
    no_link(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            no_link(Path(parent, name))
    return folder


def seal_results(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a cell's manifest, with the digests of the other files in its folder."""
    others = (path for path in sorted(folder.iterdir()) if path.is_file())
    files = {path.name: digest_file(path) for path in others if path.name != MANIFEST}
    _write_new(folder / MANIFEST, by_key(sealed({**manifest, "files": files})).encode())


def copy_results(source: Path, target: Path) -> None:
    """Copy a cell's folder without the sockets and pipes that a killed QEMU leaves.

    Raises OSError.
    """
    shutil.copytree(source, target, ignore=_no_files)


def _no_files(folder: str, names: list[str]) -> list[str]:
    paths = [Path(folder, name) for name in names]
    return [path.name for path in paths if not (path.is_file() or path.is_dir())]


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON object that a run wrote. Raises InputError if it is damaged."""
    try:
        value = parse(read_text(file))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read: {error}", file=file) from error
    if not isinstance(value, dict):
        raise InputError("not a JSON object", file=file)
    return value


def read_verdict(folder: Path) -> Verdict:
    """Return the verdict in a cell's folder. Raises InputError if damaged or another cell's."""
    written = read_json(file := folder / VERDICT)
    try:
        verdict = Verdict.from_json(written)
    except ValueError as error:
        text = f"not a verdict in the format of this version of memnotify: {error}"
        raise InputError(" ".join(text.split()), file=file, hint="run the cell again") from error
    if verdict.id != folder.name:
        raise InputError(f"belongs to another cell, {verdict.id!r}", file=file)
    return verdict


def noted_verdict(noted: Noted, folder: Path) -> Verdict | None:
    """Return the verdict of a cell whose files are as they were when the dataset noted it."""
    try:
        found = noted.verdict(folder.name)
        return None if found is None else Verdict.from_json(found)
    except (ValueError, RecursionError):
        return None  # its own file says what is wrong


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in a cell's folder, whether its results are complete or not.

    Raises InputError if it is damaged or not a manifest.
    """
    written = read_json(file := folder / MANIFEST)
    try:
        return Manifest.from_json(written)
    except ValueError as error:
        text = f"not a manifest in the format of this version of memnotify: {error}"
        raise InputError(" ".join(text.split()), file=file, hint="run the cell again") from error


def to_json(value: Any) -> str:
    return dump(value) + "\n"


def _write_new(file: Path, data: bytes) -> None:
    """Write a file of a draft: the draft appears whole, so its files need not.

    A file that is there already, which may be a link, is replaced.
    """
    try:
        with file.open("xb") as new:
            new.write(data)
    except FileExistsError:
        _write(file, data)


def _write(file: Path, data: bytes) -> None:
    with replacing(file) as draft:
        draft.write_bytes(data)
