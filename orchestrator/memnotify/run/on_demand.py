"""A campaign whose cells run when somebody asks for them, in any of several processes.

One process leads: it holds the run's folder, as `memnotify run` does. The others share their
progress through a session folder, in which every cell has a lock and a mark.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from memnotify.campaign.load import Campaign
from memnotify.campaign.plan import cell_name, plan_rows
from memnotify.campaign.row import PlanRow
from memnotify.errors import InfrastructureError
from memnotify.files import replace_text
from memnotify.guest.templates import Templates
from memnotify.model import Cell
from memnotify.process import CommandLog
from memnotify.results.folder import RunFolder, read_verdict, to_json
from memnotify.results.summary import Job
from memnotify.run.campaign import hold, refuse_too_large, run_until_done
from memnotify.run.durations import Durations
from memnotify.run.executors.local import Local
from memnotify.run.guests import GuestRunner
from memnotify.run.ledger import Ledger
from memnotify.run.schedule import run_jobs
from memnotify.run.services import USUAL, RunOptions, Services, jobs_of

_SESSION = ".session"
_PLAN_AGAIN = 1.25
"""The plan is rewritten when its cells have grown by this factor: about 30 times for a thousand
cells. Rewriting it for each cell would take minutes."""


class OnDemand:
    """One process's view of such a campaign.

    `cells` may be a part of it; `whole` has the names of all cells. With `options.again`, even
    cells with results run once in a session. `options.limit` has no meaning here.
    """

    def __init__(
        self,
        campaign: Campaign,
        cells: Sequence[Cell],
        services: Services,
        *,
        whole: Sequence[str],
        path: Path,
        options: RunOptions = USUAL,
    ) -> None:
        self.campaign = campaign
        self.cells: Mapping[str, Cell] = {cell_name(cell): cell for cell in cells}
        self.folder = RunFolder(path.absolute())
        self._whole = tuple(whole)
        self._services = services
        self._store = services.store
        self._options = options
        self._log = CommandLog(self.folder.path / "commands.jsonl")
        self._jobs = jobs_of(services, self._log)
        self._session = self.folder.path / _SESSION

    @property
    def is_part(self) -> bool:
        """Return whether the campaign also has cells in other parts."""
        return len(self.cells) < len(self._whole)

    @cached_property
    def _templates(self) -> Templates | None:
        # One guest at a time runs here, and every process has its own copies.
        return None if self._options.cold else Templates(self._store, most_open=1)

    @cached_property
    def _ledger(self) -> Ledger:
        # One ledger for all cells: if one has waited for memory in vain, the next does not.
        return Ledger(self._store.folder("ledger"))

    @contextmanager
    def lead(self, warn: Callable[[str], None]) -> Iterator[None]:
        """Hold the run's folder: in one of the processes, for as long as any of them runs cells.

        Its plan becomes that of the cells that are asked for. Without any, it stays as it was, or
        is written empty, because `merge` needs a plan. `warn` is called if another run is waited
        for. Raises InputError if the folder is unusable.
        """
        with hold(self.folder, store=self._store, warn=warn):
            self.folder.make()
            self._close()  # removes what a killed session left
            self._session.mkdir()
            if not self.folder.begun:
                self.folder.begin(self.campaign.text, [], whole=self._whole)
            try:
                yield
            finally:
                self._close()

    def _close(self) -> None:
        self._plan()
        self.folder.clear()
        shutil.rmtree(self._session, ignore_errors=True)

    def results(self, name: str) -> Path:
        """Return the folder with a cell's results; run it first if there are none.

        Waits for another process that is running it. Raises InputError for a cell that does not fit
        on this machine or whose kernel cannot be built, and InfrastructureError if the testbed
        failed, so that there are no results.
        """
        cell = self.cells[name]
        ledger = self._ledger
        refuse_too_large(self.campaign, [cell], ledger)
        job = self._jobs.of(cell)
        self._enter(job)
        done = self._session / f"{job.id}.done"
        with self._lock(job.id):
            if not done.exists():
                if self._options.again or not self.folder.has(job.id):
                    self._run(job, ledger)
                done.touch()
        folder = self.folder.cell(job.id)
        outcome = read_verdict(folder).outcome
        if outcome.infrastructure is not None:
            raise InfrastructureError(outcome.infrastructure, f"{outcome}: {outcome.detail}")
        return folder

    def _run(self, job: Job, ledger: Ledger) -> None:
        board = self._services.board
        board.planned(1, 0)
        guests = GuestRunner(
            ledger=ledger,
            runner=self._services.runner,
            templates=self._templates,
            log=self._log,
        )
        run_until_done(
            run_jobs(
                [job],
                Local(guests),
                folder=self.folder,
                durations=Durations(self._store),
                limit=None,
                board=board,
            )
        )

    def _lock(self, name: str) -> FileLock:
        return FileLock(self._session / f"{name}.lock")

    def _enter(self, job: Job) -> None:
        """Note that a cell is asked for, and rewrite the plan now and then."""
        entry = self._session / f"{job.id}.json"
        planned = self._session / "planned"
        with self._lock("plan"):
            if entry.exists():
                return
            replace_text(entry, to_json([row.to_json() for row in plan_rows([job.cell])]))
            before = int(planned.read_text(encoding="utf-8")) if planned.exists() else 0
            count = len(self._entries())
            if count >= _PLAN_AGAIN * before:
                self._plan()
                planned.write_text(str(count), encoding="utf-8")

    def _entries(self) -> list[Path]:
        return list(self._session.glob("*.json"))

    def _plan(self) -> None:
        """Write the plan of the cells that were asked for, if there are any."""
        place = {name: number for number, name in enumerate(self._whole)}
        found = (
            PlanRow.from_json(row)
            for entry in self._entries()
            for row in json.loads(entry.read_text(encoding="utf-8"))
        )
        # A killed session of another campaign may have left other cells.
        rows = sorted((row for row in found if row.name in place), key=lambda row: place[row.name])
        if not rows:
            return
        whole = self._whole if len(rows) < len(self._whole) else None
        self.folder.begin(self.campaign.text, rows, whole=whole)
