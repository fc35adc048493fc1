"""A cell that has run: found in its run's folder, and bound again to its artifacts.

The manifest has everything: the cell is rebuilt from its inputs, and kernel and image are fetched
from the store by their keys, not built.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from memnotify.errors import InputError
from memnotify.guest.mailbox import scenario_from_json
from memnotify.model import Cell, Outcome, Repeatability
from memnotify.places import command
from memnotify.results.folder import MANIFEST, RECORDS, RunFolder, read_manifest
from memnotify.results.manifest import TEMPLATE, first_problem
from memnotify.results.summary import Job
from memnotify.store import Artifact, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished cell. `folder` has its complete results, including its log."""

    job: Job
    folder: Path
    outcome: Outcome
    repeatability: Repeatability
    from_template: bool  # else the guest booted
    versions: Mapping[str, str]
    command: tuple[str, ...]  # QEMU's argv, relative to the cell's own folder

    @property
    def records(self) -> Path:
        return self.folder / RECORDS


def find_finished(run: RunFolder, wanted: str, *, store: Store) -> Finished:
    """Return a finished cell by its id, a prefix of it, or its name.

    Raises InputError if there is no such cell, its results are incomplete, or its kernel or image
    is no longer in the store.
    """
    cell_id = run.find(wanted)
    folder = run.cell(cell_id)
    again = command(f"run {run.path / 'campaign.toml'} -o {run.path}")
    if not (folder / MANIFEST).exists():
        raise InputError(f"{wanted} has not been run yet", hint=again)
    manifest = read_manifest(folder)
    if not run.has(cell_id) or not (folder / RECORDS).exists():
        raise InputError(f"the results of {wanted} are incomplete", file=folder, hint=again)
    try:
        manifest.need(
            *("inputs", "digests", "name", "repeatability", "start", "versions", "command")
        )
        cell = _read_cell(manifest.inputs)
        digests, arch = manifest.digests, cell.request.arch
        series = f"{cell.request.base} --series {cell.request.series} --arch {arch}"
        variant = f" --variant {cell.machine.variant}" if cell.machine.variant else ""
        # An image with programs of the user's own is built from the campaign, which names them.
        image = again if cell.programs else command(f"image build --arch {arch}")
        facts = manifest.kernel.get("facts", {})
        variant += "".join(f" --option '{line}'" for line in facts.get("options", ()))
        folders = "".join(f"--base-dir {folder} " for folder in manifest.folders)
        job = Job(
            id=cell_id,
            name=manifest.name,
            cell=cell,
            kernel=_artifact(
                store,
                "kernel",
                digests["kernel"],
                command(f"{folders}kernel build {series}{variant}"),
            ),
            image=_artifact(store, "image", digests["image"], image),
        )
        return Finished(
            job=job,
            folder=folder,
            outcome=manifest.outcome,
            repeatability=Repeatability(str(manifest.repeatability)),
            from_template=manifest.start is not None and manifest.start.origin == TEMPLATE,
            versions=manifest.versions,
            command=manifest.command,
        )
    except (KeyError, TypeError, ValueError) as error:
        text = f"not a manifest in the format of this version of memnotify: {error}"
        raise InputError(" ".join(text.split()), file=folder / MANIFEST, hint=again) from error


@functools.cache
def _cells() -> TypeAdapter[Cell]:
    return TypeAdapter(Cell)


def _read_cell(inputs: Mapping[str, Any]) -> Cell:
    """Return the cell from which `plan.cell_inputs` made these. Raises ValueError and KeyError."""
    request = {**inputs["request"], "variant": inputs["machine"]["variant"]}
    try:
        scenario = scenario_from_json(inputs["scenario"])
        return _cells().validate_python({**inputs, "request": request, "scenario": scenario})
    except ValidationError as error:
        raise ValueError(f"inputs.{first_problem(error)}") from error


def _artifact(store: Store, kind: str, key: str, build: str) -> Artifact:
    found = store.get(kind, key)
    if found is None:
        raise InputError(
            f"the {kind} that it ran with, {key[:12]}, is no longer in the store",
            hint=f"{build!r} rebuilds it if its inputs have not changed",
        )
    return found
