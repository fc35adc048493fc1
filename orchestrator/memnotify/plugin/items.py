"""A campaign as a file of tests: one for each cell and one for each expectation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memnotify.axes import point_of
from memnotify.campaign.schema import ExpectTable
from memnotify.errors import MemnotifyError
from memnotify.model import Outcome
from memnotify.places import command
from memnotify.records.parquet import read_records
from memnotify.report.cells import FIGURES
from memnotify.report.expect import in_words
from memnotify.results.evidence import evidence
from memnotify.results.expectations import failed, is_about, judge_expectation
from memnotify.results.folder import CONSOLE, RECORDS, read_verdict
from memnotify.results.verdict import Verdict
from memnotify.run.on_demand import OnDemand
from memnotify.text import printable

_LINES = 10  # shown from the end of the console


class CampaignFile(pytest.File):
    """Collects the cells in the order of the plan, then the expectations; builds nothing."""

    def __init__(self, *, run: OnDemand, **given: Any) -> None:
        super().__init__(**given)
        self._run = run

    def collect(self) -> Iterator[pytest.Item]:
        for name in self._run.cells:
            yield CellItem.from_parent(self, name=name, run=self._run)
        for number, expect in enumerate(self._run.campaign.table.expect):
            # The same name as in error messages about the campaign file.
            name = f"expect[{number}]"
            yield ExpectItem.from_parent(self, name=name, run=self._run, expect=expect)


class CellItem(pytest.Item):
    """Runs its cell in the set-up: a failure of the testbed is an error, a finding a failure."""

    def __init__(self, *, run: OnDemand, **given: Any) -> None:
        super().__init__(**given)
        self._run = run
        self._verdict: Verdict | None = None
        self.folder: Path | None = None
        self.add_marker("memnotify")
        self.extra_keyword_matches.add(run.campaign.table.name)
        if self.config.pluginmanager.hasplugin("xdist"):
            # With --dist loadgroup, all tests of a cell go to the worker that runs it.
            self.add_marker(pytest.mark.xdist_group(self.name))

    def setup(self) -> None:
        if self.config.option.setuponly:  # --setup-plan sets it as well
            return
        self.folder = finished(self._run, self.name)
        self._verdict = read_verdict(self.folder)
        values: dict[str, Any] = point_of(self._run.cells[self.name])
        row = self._verdict.to_json()
        values |= {name: row.get(name) for name in FIGURES}
        # Plugins that repeat tests set up the same item again.
        self.user_properties[:] = [row for row in self.user_properties if row[0] not in values]
        self.user_properties += [
            (name, str(value)) for name, value in values.items() if value is not None
        ]

    def runtest(self) -> None:
        assert self._verdict is not None
        if not self._verdict.outcome.ok:
            pytest.fail("\n".join(self._finding(self._verdict.outcome)), pytrace=False)

    def _finding(self, outcome: Outcome) -> Iterator[str]:
        yield printable(f"{outcome}: {outcome.detail}")
        assert self.folder is not None
        if (file := self.folder / RECORDS).exists():
            yield from evidence(read_records(file), outcome).lines()

    def reportinfo(self) -> tuple[os.PathLike[str], None, str]:
        # pytest takes the end of an id that equals this for Python names, with dots to replace.
        return self.path, None, f"cell {self.name}"


class ExpectItem(pytest.Item):
    """Compares an expectation with its cells; those without results are run first."""

    def __init__(self, *, run: OnDemand, expect: ExpectTable, **given: Any) -> None:
        super().__init__(**given)
        self._run = run
        self._expect = expect
        self._verdicts: list[Verdict] = []
        self.add_marker("memnotify")

    def setup(self) -> None:
        if self.config.option.setuponly:
            return
        # Assigned as a whole: plugins that repeat tests set up the same item again.
        self._verdicts = [
            read_verdict(finished(self._run, name))
            for name, cell in self._run.cells.items()
            if is_about(self._expect, point_of(cell))
        ]

    def runtest(self) -> None:
        results = list(judge_expectation(self._expect, self._verdicts, is_part=self._run.is_part))
        found = [f"{result.what}: {in_words(result)}" for result in results]
        lines = [printable(line) for line in (self._expect.says, *found)]
        if failed(results):
            pytest.fail("\n".join(lines), pytrace=False)
        if all(result.met is None for result in results):
            pytest.skip("; ".join(lines))

    def reportinfo(self) -> tuple[os.PathLike[str], None, str]:
        return self.path, None, f"{self.name}: {printable(self._expect.says)}"


def finished(run: OnDemand, name: str) -> Path:
    """Return the folder of a cell; run it if needed. Fails the test if the testbed fails."""
    try:
        return run.results(name)
    except MemnotifyError as error:
        pytest.fail(f"{name}: {error}", pytrace=False)


def how_to_look(folder: Path) -> str:
    """Return where the results of a cell are, how to look at them, and the end of its console."""
    run = shown(folder.parent.parent)
    lines = [f"results in {shown(folder)}", command(f"show {run} {folder.name}")]
    if (file := folder / CONSOLE).is_file():
        end = file.read_text(errors="replace", encoding="utf-8").splitlines()[-_LINES:]
        lines += [printable(line) for line in end]
    return "\n".join(lines)


def shown(path: Path) -> Path:
    """Return a path relative to the current folder, if it is below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
