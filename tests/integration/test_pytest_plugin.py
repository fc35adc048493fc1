"""Campaigns as tests: pytest in its own folder, with made-up guests.

`try.toml` (see tests.support.campaigns) has four cells: none and v4, with 1 and 3 clients.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

# frames: pandas cannot be imported a second time, as pytester would do.
from memnotify.results.folder import RunFolder
from memnotify.run.ledger import Ledger
from memnotify.run.shards import merge

from tests.support.campaigns import TEXT
from tests.support.plugin_project import CELLS, CHOOSES, LARGEST, Project, collected, made_project


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return made_project(pytester, monkeypatch)


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
