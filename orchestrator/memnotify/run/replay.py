"""Runs a finished cell again, to see whether the result is the same."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from memnotify import __version__, host
from memnotify.campaign.plan import cell_name
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest import qemu
from memnotify.guest.session import run_cell
from memnotify.guest.templates import Templates
from memnotify.guest.view import View, Watcher
from memnotify.model import Cell, CellResult, Repeatability
from memnotify.process import CommandLog
from memnotify.records.compare import Agreement, Comparison, Difference, compare
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.results.cell import Finished
from memnotify.results.folder import MACHINE, RECORDS
from memnotify.run.guests import GuestRunner
from memnotify.run.ledger import Ledger
from memnotify.run.need import need
from memnotify.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One more run of a finished cell, compared with the first.

    `missing` counts lost or torn records, in the first run and in this one. `changed` has a
    sentence for each change of QEMU and the machine.
    """

    finished: Finished
    result: CellResult
    comparison: Comparison
    missing: tuple[int, int]
    changed: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether it kept the promise of its class: bit for bit if `exact`, otherwise nothing."""
        return self.finished.repeatability is not Repeatability.EXACT or (
            self.comparison.agreement is Agreement.EXACT
            and self.missing[0] == self.missing[1]
            and str(self.result.outcome) == str(self.finished.outcome)
        )

    def row(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        found = self.comparison
        return {
            "agreement": found.agreement,
            "kept": self.kept,
            "records": list(found.records),
            "differing": found.differing,
            "late": found.late,
            "greatest_ns": found.greatest_ns,
            "missing": list(self.missing),
            "first": _difference(found.first),
            "first_differing": _difference(found.first_differing),
            "outcome": str(self.result.outcome),
            "detail": self.result.outcome.detail,
            "wall_seconds": round(self.result.wall_seconds, 3),
            "changed": list(self.changed),
        }


def _difference(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    kinds = [None if kind is None else Kind(kind).name for kind in found.kinds]
    fields = [[name, _printable(a), _printable(b)] for name, a, b in found.fields]
    return {"record": found.index, "kinds": kinds, "fields": fields}


def _printable(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Everything needed to run a finished cell again."""

    guests: GuestRunner
    on_stage: Callable[[str], None]
    on_view: Callable[[View], None] = lambda view: None

    @classmethod
    def of(
        cls,
        store: Store,
        *,
        on_stage: Callable[[str], None],
        on_view: Callable[[View], None] = lambda view: None,
    ) -> Self:
        """Return what runs cells of any run in guests, with the ledger and templates of a store."""
        guests = GuestRunner(
            ledger=Ledger(store.folder("ledger")),
            runner=run_cell,
            templates=Templates(store),
            log=CommandLog(store.folder("logs") / "commands.jsonl"),
        )
        return cls(guests=guests, on_stage=on_stage, on_view=on_view)

    def claim(self, cell: Cell, *, still: bool = False) -> AbstractAsyncContextManager[object]:
        """Claim what a cell takes of the host; no cores if its guest will mostly stand `still`.

        Raises InputError if it can never fit, and InfrastructureError as `Ledger.claim` does.
        """
        wanted = need(cell, cores=0 if still else host.cores())
        ledger = self.guests.ledger
        ledger.refuse_if_never(cell_name(cell), wanted)
        return ledger.claim(
            wanted, waiting=lambda: self.on_stage(f"waiting for {ledger.obstacle(wanted)}")
        )

    async def run(self, finished: Finished, folder: Path) -> CellResult:
        """Run a cell; it starts in the same way as the first time.

        Raises InfrastructureError, also if QEMU failed, and InputError as `claim` does.
        """
        job = finished.job
        async with self.claim(job.cell):
            guests = self.guests
            if not finished.from_template:
                guests = dataclasses.replace(guests, templates=None)
            result = await guests.run(
                job, folder=folder, watcher=Watcher(on_stage=self.on_stage, on_view=self.on_view)
            )
        if result.outcome.infrastructure is not None:
            raise InfrastructureError(result.outcome.infrastructure, result.outcome.detail)
        return result


async def replay(
    finished: Finished,
    again: Again,
    *,
    times: int,
    output: Path | None,
    on_replay: Callable[[Replay], None],
) -> list[Replay]:
    """Run a finished cell again `times` times, and compare each run with the first.

    If `output` is given, the files of the runs are kept in `output`/1, 2, ...; `on_replay` is
    called for each run. Raises InputError if a log cannot be read, and InfrastructureError if QEMU
    failed.
    """
    replays = []
    for number in range(1, times + 1):
        with _folder(output, number) as folder:
            replays.append(await replay_into(folder, finished, again))
        on_replay(replays[-1])
    return replays


async def replay_into(folder: Path, finished: Finished, again: Again) -> Replay:
    """Run a finished cell again in a folder, and compare. Raises what `replay` does."""
    recorded = read_records(finished.records)
    result = await again.run(finished, folder)
    log = read_records(folder / RECORDS)
    return Replay(
        finished=finished,
        result=dataclasses.replace(result, log=None),  # there may be many replays
        comparison=compare(recorded.records, log.records, VIEWS),
        missing=(recorded.lost + recorded.torn, log.lost + log.torn),
        changed=tuple(_changes(finished, result, folder)),
    )


@contextmanager
def _folder(output: Path | None, number: int) -> Iterator[Path]:
    if output is None:
        with tempfile.TemporaryDirectory(prefix="memnotify-") as name:
            yield Path(name)
    else:
        folder = output / str(number)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"cannot be used for results: {error.strerror}"
            raise InputError(text, file=folder) from error
        yield folder


def _changes(finished: Finished, result: CellResult, folder: Path) -> Iterator[str]:
    """Yield what changed on the host's side; kernel and image are the same by their keys."""
    versions = {"memnotify": __version__, **result.versions}
    for name, now in sorted(versions.items(), key=lambda item: item[0] != "qemu"):
        was = finished.versions.get(name)
        if was != now:
            yield f"{'another QEMU: ' if name == 'qemu' else ''}{name} was {was}, now {now}"
    cell = finished.job.cell
    if qemu.hardware_digest(cell, cell.accel) == cell.hardware:
        return
    command = tuple(word.replace(f"{folder}/", "") for word in result.command)
    told = _told(finished.command, finished.folder), _told(command, folder)
    gone, new = (sorted(a - b) for a, b in (told, told[::-1]))
    if gone or new:
        yield f"QEMU was told {', '.join(gone) or 'less'}; now {', '.join(new) or 'it is not'}"
    else:
        yield f"another QEMU: a different package, now {qemu.version()}"


def _told(command: tuple[str, ...], folder: Path) -> set[str]:
    """Return QEMU's arguments, unordered and without numbers of descriptors."""
    # Leave out file names and descriptors: kernel and initramfs are the same by their keys, and
    # the description follows.
    files = re.compile(r".*/(bzImage|initramfs\.cpio)|machine\.cfg|/proc/self/fd/\d+")
    told = {word for word in command if not files.fullmatch(word)}
    with contextlib.suppress(OSError):
        text = (folder / MACHINE).read_text(encoding="utf-8")
        lines = re.sub(r'(/proc/self/fd/|^  fd = ")\d+', r"\1N", text, flags=re.M).splitlines()
        told |= {line.strip() for line in lines if not line.startswith("#")}
    return told
