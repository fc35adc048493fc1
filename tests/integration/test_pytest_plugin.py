"""Campaigns as tests: pytest in its own folder, with made-up guests.

`try.toml` (see tests.support.campaigns) has four cells: none and v4, with 1 and 3 clients.
"""

from __future__ import annotations

import json
import signal
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from memnotify.plugin import session

# frames: pandas cannot be imported a second time, as pytester would do.
from memnotify.results.folder import RunFolder
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need
from memnotify.run.services import Services
from memnotify.run.shards import merge

from tests.support.campaigns import TEXT

CELLS = [
    f"6.1-{series}-x86_64-pc-swap-64M-squeeze-{clients}c-r1"
    for series in ("none", "v4")
    for clients in (1, 3)
]
LARGEST = CELLS[3]

# Guests are made up in every process that runs cells. A file lists their faults by name; each guest
# that starts leaves a line.
CONFTEST = f"""
import asyncio, json, os, signal, sys
from functools import partial
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.support.campaigns import Bench, Guests, fails, finds

from memnotify.run.services import Services
from memnotify.campaign.plan import cell_name
from memnotify.plugin import session

here = Path(__file__).parent


def dies(cell, folder):
    (here / "faults.json").write_text("{{}}")
    os._exit(1)


async def runner(cell, **given):
    with (here / "started").open("a") as file:
        print(cell_name(cell), file=file)
    fault = json.loads((here / "faults.json").read_text()).get(cell_name(cell))
    if fault == "stops":
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(30)
    plan = [dict(fails=fails, finds=finds, dies=dies)[fault]] if fault else []
    return await Guests(*plan)(cell, **given)


bench = Bench.__new__(Bench)
session.Services = partial(
    Services, build_kernel=bench.build_kernel, build_image=bench.build_image, runner=runner
)
"""


CHOOSES = """

def choose(campaign, *, say, **_):
    say("base 6.1; not 2.6.24: this is a test")
    return "6.1"


session.choose_base = choose
"""


class Project:
    """A user's project."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.run_folder = self.path / "runs" / "try"
        (self.path / "try.toml").write_text(TEXT)
        self.faults()
        pytester.makeconftest(CONFTEST)

    def faults(self, **by_name: str) -> None:
        (self.path / "faults.json").write_text(json.dumps(by_name))

    def test_file(self, text: str) -> None:
        self.pytester.makepyfile(test_it=textwrap.dedent(text))

    def run(self, *arguments: str) -> pytest.RunResult:
        given = ("--memnotify=try.toml", "--memnotify-cold", "-rA", *arguments)
        if "-n" in arguments:
            return self.pytester.runpytest_subprocess(*given)
        return self.pytester.runpytest_inprocess(*given)

    def started(self) -> Counter[str]:
        file = self.path / "started"
        return Counter(file.read_text().split()) if file.exists() else Counter()

    def left(self) -> set[str]:
        """Return what is in the run's folder besides results."""
        return {path.name for path in self.run_folder.rglob(".*")}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(session, "Services", Services)  # the conftest replaces this
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    return Project(pytester)


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def test_every_cell_is_a_test_with_a_stable_id(project: Project) -> None:
    found = project.run("--collect-only", "-q", "-p", "no:cacheprovider")
    assert collected(found) == [f"try.toml::{name}" for name in CELLS]
    assert not (project.path / "runs").exists()
    assert not (project.path / "cache").exists()  # nothing was looked up, or built


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["-k", "v4 and 3c"], [LARGEST]),
        (["-m", "not memnotify"], []),
        ([f"try.toml::{LARGEST}"], [LARGEST]),
        (["."], CELLS),
    ],
)
def test_what_users_select(project: Project, arguments: list[str], names: list[str]) -> None:
    found = project.run("--collect-only", "-q", *arguments)
    assert collected(found) == [f"try.toml::{name}" for name in names]


def test_outcomes_and_what_is_kept(project: Project) -> None:
    project.faults(**{CELLS[1]: "finds", CELLS[2]: "fails"})
    result = project.run("--junitxml=out.xml")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    text = result.stdout.str()
    assert "finding:panic: \\x1b[31mpanic" in text
    assert "record 9 END at 20.000 s" in text
    assert f"{CELLS[2]}: infrastructure:qemu-died: QEMU was killed" in text
    verdicts = {path.parent.name: path for path in project.run_folder.glob("cells/*/verdict.json")}
    assert len(verdicts) == 4
    assert any(f"memnotify show runs/try {cell_id}" in text for cell_id in verdicts)
    assert (project.path / "out.xml").read_text().count('<property name="max_batch"') == 3
    assert project.left() == set()

    project.faults()
    again = project.run("--lf")
    again.assert_outcomes(passed=1, failed=1)  # a finding is a result; a failed testbed is not
    assert project.started() == Counter(CELLS) + Counter({CELLS[2]: 3})
    plan = json.loads((project.run_folder / "plan.json").read_text())
    assert [row["name"] for row in plan] == [CELLS[1], CELLS[2]]
    whole = json.loads((project.run_folder / "shard.json").read_text())
    assert whole == {"whole": CELLS}


def test_a_session_that_selects_nothing_leaves_the_plan(project: Project) -> None:
    project.run()
    before = (project.run_folder / "plan.json").read_text()
    assert [row["name"] for row in json.loads(before)] == CELLS
    assert project.run("-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert (project.run_folder / "plan.json").read_text() == before


def test_a_part_without_a_cell_can_be_merged(project: Project) -> None:
    project.run("-k", "nothing")
    empty = project.run_folder.rename(project.path / "empty")
    project.run()
    merged = RunFolder(project.path / "merged")
    assert merge([RunFolder(empty), RunFolder(project.run_folder)], merged) == []
    assert [row.name for row in merged.verdicts()] == CELLS


USES = """
    import pytest

    @pytest.mark.cells(series="v4", clients=[3])
    def test_first(cell):
        assert cell.parameters["clients"] == 3
        assert len(cell.records) == cell.log.records.size
        assert list(cell.wakeups.client) == [0, 1, 2]

    def test_second(cell):
        assert cell.samples.pswpout.diff().fillna(0).ge(0).all()
        assert cell.zones.gate.eq(200).all()
        assert list(cell.balloon.phase) == ["requested", "reached"]
        assert list(cell.balloon.query_seconds) == [0.25, 0.25]
        assert list(cell.balloon.t) == [1.0, 2.0]
        assert cell.outcome == "ok" and cell.console == ""

    @pytest.mark.cells(series="v4")
    def test_third(cell):
        assert not cell.which(cell.wakeups.t > 3)

    @pytest.mark.cells(campaign="other", series="v6")
    def test_fourth(cell):
        pass
"""


@pytest.mark.parametrize("dist", ["worksteal", "loadgroup"])
def test_workers_share_cells(project: Project, dist: str) -> None:
    project.test_file(USES)
    result = project.run("-n", "2", "--dist", dist)
    result.assert_outcomes(passed=4 + 1 + 4, failed=2, skipped=1)
    assert project.started() == Counter(CELLS)
    text = result.stdout.str()
    assert "assert not 1 record: 10 WAKEUP client 0 at 3.500 s" in text
    assert "no cell has campaign=other, series=v6" in text
    assert project.left() == set()


def test_the_base_is_chosen_once_and_workers_are_told(project: Project) -> None:
    (project.path / "try.toml").write_text(TEXT.replace('"6.1"', '["2.6.24", "6.1"]'))
    with (project.path / "conftest.py").open("a") as file:
        file.write(CHOOSES)
    result = project.run("-n", "2")
    result.assert_outcomes(passed=4)
    assert result.stderr.str().count("base 6.1; not 2.6.24") == 1
    result.stdout.fnmatch_lines(["memnotify: try on 6.1: 4 cells, results in runs/try"])
    assert project.started() == Counter(CELLS)
    first = [f"try.toml::{name.replace('6.1', '2.6.24')}" for name in CELLS]
    assert collected(project.run("--collect-only", "-q")) == first


def test_again_runs_each_cell_once_more(project: Project) -> None:
    project.test_file(USES)
    project.run("-k", LARGEST)
    project.run("-k", LARGEST)
    assert project.started() == Counter({LARGEST: 1})
    project.run("-k", LARGEST, "--memnotify-again")
    assert project.started() == Counter({LARGEST: 2})


def test_a_worker_that_dies_takes_nothing_with_it(project: Project) -> None:
    project.faults(**{CELLS[0]: "dies"})
    result = project.run("-n", "2")
    result.assert_outcomes(passed=3, failed=1)
    assert "crashed while running" in result.stdout.str()
    assert project.started() == Counter(CELLS)
    assert project.left() == set()
    ledger = Ledger(project.path / "cache" / "memnotify" / "ledger")
    assert (ledger._taken().memory_mib, ledger._taken().cores) == (0, 0)
    assert project.run("-n", "2", "--lf").parseoutcomes() == {"passed": 1}


@pytest.fixture
def as_in_a_terminal() -> Iterator[None]:
    # A shell starts background jobs with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("as_in_a_terminal")
def test_an_interrupted_session_goes_on_where_it_stopped(project: Project) -> None:
    project.faults(**{CELLS[1]: "stops"})
    with pytest.raises(KeyboardInterrupt):
        project.run()
    assert project.left() == set()
    project.faults()
    project.run().assert_outcomes(passed=4)
    assert project.started() == Counter(CELLS) + Counter({CELLS[1]: 1})


def test_parts_of_a_campaign(project: Project) -> None:
    parts = [
        collected(project.run("--collect-only", "-q", f"--memnotify-shard={k}/2")) for k in (1, 2)
    ]
    assert [len(part) for part in parts] == [2, 2]
    assert sorted(parts[0] + parts[1]) == sorted(f"try.toml::{name}" for name in CELLS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--memnotify=missing.toml"], "missing.toml: cannot be read"),
        (["--memnotify=loop.toml"], "loop.toml: cannot be read: Too many levels of"),
        (["loop.toml"], "file or directory not found: loop.toml"),
        (["--memnotify-shard=3/2"], "--memnotify-shard: '3/2' is not a part such as"),
        (["--memnotify-accel=kvm"], "--accel kvm does not support virtual time"),
        (["--memnotify=copy.toml"], "2 campaigns are called try"),
    ],
)
def test_bad_usage_is_one_line(project: Project, arguments: list[str], words: str) -> None:
    (project.path / "copy.toml").write_text(TEXT)
    (project.path / "loop.toml").symlink_to("loop.toml")
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_bad_marker_is_said(project: Project) -> None:
    project.test_file("import pytest\n@pytest.mark.cells(serie='v4')\ndef test_it(cell): ...\n")
    text = project.run().stdout.str()
    assert "cells: no 'serie'; there is campaign, base, series" in text


EXPECT = """
[[expect]]
says = "with v4 all are woken"
series = "v4"
what = "clients_woken == clients"
[[expect]]
says = "a big batch"
what = ["max_batch <= clients", "max_batch == 2"]
[[expect]]
says = "somebody is woken twice"
some = true
what = "wakeups > clients"
"""


def test_expectations_are_tests_after_the_cells(project: Project) -> None:
    (project.path / "try.toml").write_text(TEXT + EXPECT)
    ids = [f"try.toml::{name}" for name in [*CELLS, *(f"expect[{i}]" for i in range(3))]]
    assert collected(project.run("--collect-only", "-q")) == ids
    result = project.run()
    result.assert_outcomes(passed=5, failed=2)
    text = result.stdout.str()
    assert "expect[1]: a big batch" in text
    assert "max_batch == 2: NOT met: in 0 of 4; not in " in text
    assert "max_batch <= clients: met: in 4 of 4" in text
    assert len(project.started()) == 4


def test_an_expectation_alone_runs_its_cells(project: Project) -> None:
    (project.path / "try.toml").write_text(TEXT + EXPECT)
    project.run("-k", "expect and 0").assert_outcomes(passed=1)
    assert set(project.started()) == {CELLS[2], CELLS[3]}


def test_an_expectation_of_a_part(project: Project) -> None:
    (project.path / "try.toml").write_text(TEXT + EXPECT)
    result = project.run("-k", "expect", "--memnotify-shard=1/9")
    result.assert_outcomes(failed=1, skipped=2)
    assert "clients_woken == clients: not tried" in result.stdout.str()
    assert "wakeups > clients: open: another part may have a matching cell" in result.stdout.str()


def test_an_expectation_waits_for_a_testbed_that_works(project: Project) -> None:
    (project.path / "try.toml").write_text(TEXT + EXPECT)
    project.faults(**{LARGEST: "fails"})
    project.run("-k", "expect and 0").assert_outcomes(errors=1)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("series='v9'", "cells: no cell has series='v9' (there are: none, v4)"),
        ("clients=[3, 999]", "cells: no cell has clients=999"),
        ("campaign='try', scenario='squeze'", "'squeze' (did you mean squeeze?)"),
    ],
)
def test_a_marker_for_cells_that_cannot_be_is_an_error(
    project: Project, marker: str, words: str
) -> None:
    project.test_file(f"import pytest\n@pytest.mark.cells({marker})\ndef test_it(cell): ...\n")
    result = project.run("--collect-only")
    result.assert_outcomes(errors=1)
    assert words in result.stdout.str()
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("marker", "arguments"),
    [
        ("campaign='other', series='v9'", ()),
        ("base='2.6.24'", ()),
        ("series='none', clients=1", ("--memnotify-shard=2/2",)),
    ],
)
def test_cells_that_are_elsewhere_are_skipped(
    project: Project, marker: str, arguments: Sequence[str]
) -> None:
    project.pytester.makeconftest(CONFTEST + CHOOSES)
    (project.path / "try.toml").write_text(TEXT.replace('"6.1"', '["6.1", "2.6.24"]'))
    project.test_file(f"import pytest\n@pytest.mark.cells({marker})\ndef test_it(cell): ...\n")
    result = project.run("-k", "test_it", *arguments)
    result.assert_outcomes(skipped=1)
    assert "SKIPPED" in result.stdout.str()


WITHOUT = """
    import sys

    def test_imports():
        imported = {name.partition(".")[0] for name in sys.modules}
        assert not imported & {"numpy", "pandas", "pyarrow", "pydantic"}
        assert not [name for name in sys.modules if name.startswith("memnotify.campaign")]

    def test_cell(cell):
        pass
"""


def test_without_a_campaign_it_costs_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(textwrap.dedent(WITHOUT))
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert "needs --memnotify CAMPAIGN.toml" in result.stdout.str()


OWN = """
    import pytest

    @pytest.fixture(params=["prison", "monk"])
    def cell(request):
        return request.param

    def test_cell(cell):
        assert cell in ("prison", "monk")
"""


def test_a_project_may_have_cells_of_its_own(project: Project) -> None:
    project.test_file(OWN)
    project.run("-k", "test_cell").assert_outcomes(passed=2)
    assert not project.started()


def test_a_cell_that_can_never_fit_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger.host_capacity", lambda: Need(100, 2))
    result = project.run("-k", LARGEST)
    result.assert_outcomes(errors=1)
    assert f"{LARGEST} needs" in result.stdout.str()
    assert not project.started()
