"""A pytest session with --memnotify: its cells, and the process that runs each of them.

The controller (pytest itself if there is no pytest-xdist) chooses the base of each campaign and
leads its run. It passes the bases to the workers, so that all of them collect the same tests.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memnotify import inherited, limits
from memnotify.axes import POINT, point_of
from memnotify.campaign.load import Campaign, load_campaign
from memnotify.campaign.plan import cell_name, plan_cells
from memnotify.errors import InputError, MemnotifyError
from memnotify.model import Accel, Cell, Clock
from memnotify.plugin.items import CampaignFile, CellItem, finished, how_to_look, shown
from memnotify.process import CommandLog
from memnotify.report.board import LineBoard
from memnotify.report.plain import plain_console
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.run.on_demand import OnDemand
from memnotify.run.services import RunOptions, Services
from memnotify.run.shards import Shard, read_durations
from memnotify.store import Store
from memnotify.text import counted, known_names

if TYPE_CHECKING:
    from memnotify.results.frames import CellResults

_BASES = "memnotify_bases"
_FIXTURE = "_memnotify_cell"
_KEYS = ("campaign", *POINT)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One cell that tests are run for."""

    run: OnDemand
    name: str

    @property
    def values(self) -> Mapping[str, Any]:
        campaign = self.run.campaign.table.name
        return {"campaign": campaign} | point_of(self.run.cells[self.name])


class Session:
    """The plugin in one process of a session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        self._bases: Sequence[str] = ()
        self._runs: dict[Path, OnDemand] = {}
        self._paths: dict[Path, Path] = {}
        self._asked: dict[str, Asked] = {}
        self._folders: dict[Asked, Path] = {}
        self._known: dict[str, Mapping[str, Sequence[Any]]] = {}
        self._held = ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        with _refused():
            campaigns, store = _campaigns(self._config.option.memnotify), Store()
            self._bases = self._choose(campaigns, store)
            options, runs = self._config.option, []
            for campaign, base in zip(campaigns, self._bases, strict=True):
                cells = plan_cells(
                    campaign,
                    base=base,
                    accel=Accel(options.memnotify_accel),
                    clock=Clock(options.memnotify_clock),
                    source=options.memnotify_source,
                )
                runs.append(_run(campaign, cells, options, store))
                self._known[campaign.table.name] = _values(campaign, cells)
            if self._told is None and not _looks_only(self._config):
                # In a fixed order, so that two sessions cannot deadlock.
                for run in sorted(runs, key=lambda run: run.folder.path):
                    self._held.enter_context(run.lead(_say))
        self._runs = {_place(run.campaign.path): run for run in runs}
        self._asked = _with_ids([Asked(run, name) for run in runs for name in run.cells])
        args = self._config.args
        named = {_place(path): path for path in (_absolute(arg.partition("::")[0]) for arg in args)}
        # A campaign is collected by one path only: links may lead to it by several.
        given = {_place(file): _absolute(file) for file in self._config.option.memnotify}
        self._paths = {place: named.get(place, given[place]) for place in self._runs}
        if not any("::" in arg for arg in args):  # else the tests to run are given by name
            args += [str(path) for place, path in self._paths.items() if place not in named]

    def _choose(self, campaigns: Iterable[Campaign], store: Store) -> Sequence[str]:
        if self._told is not None:
            bases: Sequence[str] = self._told[_BASES]
            return bases
        if _looks_only(self._config):
            return [campaign.table.kernel.base[0] for campaign in campaigns]
        source = self._config.option.memnotify_source
        log = CommandLog(store.folder("logs") / "commands.jsonl")
        return [
            choose_base(campaign, Preparing(store=store, log=log, say=_say), source=source)
            for campaign in campaigns
        ]

    def pytest_unconfigure(self) -> None:
        self._held.close()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the bases to a new worker of pytest-xdist."""
        node.workerinput[_BASES] = list(self._bases)

    def pytest_report_header(self) -> list[str]:
        return [
            f"memnotify: {run.campaign.table.name} on {base}: {counted(len(run.cells), 'cell')}, "
            f"results in {shown(run.folder.path)}"
            for run, base in zip(self._runs.values(), self._bases, strict=True)
        ]

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> CampaignFile | None:
        place = _place(file_path)
        run = self._runs.get(place)
        if run is None or self._paths[place] != file_path:
            return None
        # pytest itself calls a file outside the root folder ".", which it does not find again.
        name = os.path.relpath(file_path, self._config.rootpath)
        return CampaignFile.from_parent(parent, path=file_path, nodeid=name, run=run)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object | None:
        """Replace the schedulers of pytest-xdist that wait forever after a worker's death."""
        from memnotify.plugin.scheduling import scheduler

        return scheduler(config, log)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        # It is missing if the project has its own fixture `cell`.
        if _FIXTURE not in metafunc.fixturenames:
            return
        wanted = _wanted(metafunc.definition)
        self._refuse_unknown(wanted)
        group = self._config.pluginmanager.hasplugin("xdist")
        chosen = [
            # Without pytest-xdist, --strict-markers refuses the very name of its marker.
            pytest.param(
                asked, id=name, marks=[pytest.mark.xdist_group(asked.name)] if group else []
            )
            for name, asked in self._asked.items()
            if all(asked.values[key] in values for key, values in wanted.items())
        ]
        if not chosen:
            which = ", ".join(f"{key}={' or '.join(map(str, wanted[key]))}" for key in wanted)
            skip = pytest.mark.skip(reason=f"no cell has {which}")
            chosen = [pytest.param(None, id="none", marks=skip)]
        metafunc.parametrize(_FIXTURE, chosen, indirect=True, scope="session")

    def _refuse_unknown(self, wanted: Mapping[str, Sequence[Any]]) -> None:
        # The test may be for a campaign of another session, or for a cell of another shard.
        names = wanted.get("campaign", self._known)
        here = [self._known[name] for name in names if name in self._known]
        for key in wanted.keys() - {"campaign"} if here else ():
            known = list(dict.fromkeys(value for values in here for value in values[key]))
            for value in wanted[key]:
                if value not in known:
                    hint = known_names(str(value), map(str, known))
                    pytest.fail(f"cells: no cell has {key}={value!r} ({hint})", pytrace=False)

    def results(self, asked: Asked) -> CellResults:
        """Return the value of the fixture `cell`; run the cell first if it has no results."""
        from memnotify.results.frames import CellResults

        self._folders[asked] = finished(asked.run, asked.name)
        return CellResults(self._folders[asked])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and (folder := self._folder_of(item)) is not None:
            report.sections.append(("memnotify", how_to_look(folder)))
        return report

    def _folder_of(self, item: pytest.Item) -> Path | None:
        if isinstance(item, CellItem):
            return item.folder
        callspec = getattr(item, "callspec", None)
        asked = None if callspec is None else callspec.params.get(_FIXTURE)
        return None if asked is None else self._folders.get(asked)


def _looks_only(config: pytest.Config) -> bool:
    """Return whether the session shows what it would do: nothing is looked up, built or run."""
    return bool(config.option.collectonly or config.option.setupplan)


def _absolute(name: str) -> Path:
    # Path.resolve() would follow links.
    return Path(os.path.abspath(name))  # noqa: PTH100


def _place(name: str | Path) -> Path:
    """Return a path without links, as far as they lead; a loop of links is pytest's to refuse."""
    return Path(os.path.realpath(name))


def _campaigns(files: Iterable[str]) -> Sequence[Campaign]:
    named = {_place(file): Path(file) for file in files}
    campaigns = [load_campaign(file) for file in named.values()]
    for name, count in Counter(campaign.table.name for campaign in campaigns).items():
        if count > 1:
            raise InputError(f"{count} campaigns are called {name}", hint="rename all but one")
    return campaigns


def _values(campaign: Campaign, cells: Iterable[Cell]) -> Mapping[str, Sequence[Any]]:
    """Return the values that a marker may select: those of the cells, and all bases."""
    points = [point_of(cell) for cell in cells]
    values = {key: [point[key] for point in points] for key in POINT}
    return values | {"base": campaign.table.kernel.base}


def _run(campaign: Campaign, cells: Sequence[Cell], options: Any, store: Store) -> OnDemand:
    inherited.hold()
    limits.raise_soft()
    whole = [cell_name(cell) for cell in cells]
    if options.memnotify_shard is not None:
        try:
            shard = Shard.parse(options.memnotify_shard)
        except ValueError as error:
            raise InputError(f"--memnotify-shard: {error}") from error
        file = options.memnotify_durations
        cells = shard.of(cells, read_durations(Path(file)) if file else {})
    return OnDemand(
        campaign,
        cells,
        Services(store=store, board=LineBoard(plain_console())),
        whole=whole,
        path=Path(options.memnotify_output) / campaign.table.name,
        options=RunOptions(again=options.memnotify_again, cold=options.memnotify_cold),
    )


def _with_ids(cells: Iterable[Asked]) -> dict[str, Asked]:
    """Return the cells by name; names that occur twice are prefixed with the campaign's."""
    cells = list(cells)
    counted = Counter(asked.name for asked in cells)
    return {
        asked.name
        if counted[asked.name] == 1
        else f"{asked.values['campaign']}:{asked.name}": asked
        for asked in cells
    }


def _wanted(test: pytest.Item) -> dict[str, tuple[Any, ...]]:
    """Return the values that the `cells` markers of a test select; the closest marker wins."""
    wanted: dict[str, tuple[Any, ...]] = {}
    for mark in reversed(list(test.iter_markers("cells"))):
        if mark.args:
            pytest.fail('name what you want, as in cells(series="v4")', pytrace=False)
        for key, value in mark.kwargs.items():
            if key not in _KEYS:
                pytest.fail(f"cells: no {key!r}; there is {', '.join(_KEYS)}", pytrace=False)
            several = isinstance(value, list | tuple | set | frozenset)
            wanted[key] = tuple(value) if several else (value,)
    return wanted


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    except MemnotifyError as error:
        pytest.exit(str(error), returncode=error.exit_code)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
