"""The plugin beside other plugins and options of pytest."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.campaigns import TEXT
from tests.support.plugin_project import CELLS, LARGEST, Project, collected, made_project

USES = """
    def test_uses(cell):
        assert cell.outcome == "ok"
"""

EXPECTS = """
[[expect]]
says = "more clients are woken than there are"
what = ["wakeups > 1000"]
"""

# What pytest-rerunfailures and flaky do to an item: set-up, call and teardown once more.
REPEATS = """

from _pytest.runner import runtestprotocol


def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, nextitem=nextitem, log=False)
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return made_project(pytester, monkeypatch)


def test_no_unknown_marker_without_xdist(project: Project) -> None:
    project.test_file(USES)
    result = project.run("-p", "no:xdist", "--strict-markers")
    result.assert_outcomes(passed=8)


def test_ids_of_a_verbose_session_can_be_given_back(project: Project) -> None:
    project.test_file(USES)
    lines = project.run("-v", "-p", "no:cacheprovider").outlines
    ids = [line.split()[0] for line in lines if re.search(r"::.* PASSED", line)]
    assert len(ids) == 8
    for name in ids:
        assert collected(project.run("--collect-only", "-q", name)) == [name]


def test_a_link_to_a_campaign_is_one_campaign(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (project.path / "try.toml").rename(other / "real.toml")
    (project.path / "try.toml").symlink_to(other / "real.toml")
    (project.path / "second.toml").symlink_to("try.toml")
    names = [f"try.toml::{name}" for name in CELLS]
    assert collected(project.run("--collect-only", "-q")) == names
    assert collected(project.run("--collect-only", "-q", ".")) == names
    again = project.run("--collect-only", "-q", campaign="second.toml")
    assert collected(again) == [f"second.toml::{name}" for name in CELLS]


def test_ids_of_a_campaign_outside_the_root_can_be_given_back(
    project: Project, tmp_path: Path
) -> None:
    (project.path / "try.toml").rename(tmp_path / "far.toml")
    (project.path / "pytest.ini").write_text("[pytest]\n")
    far = tmp_path / "far.toml"
    ids = collected(project.run("--collect-only", "-q", campaign=far))
    assert [name.partition("::")[2] for name in ids] == CELLS
    back = collected(project.run("--collect-only", "-q", ids[2], campaign=far))
    assert [name.partition("::")[2] for name in back] == [CELLS[2]]


@pytest.mark.parametrize("option", ["--setup-plan", "--setup-only"])
def test_no_guest_runs_for_a_plan(project: Project, option: str) -> None:
    (project.path / "try.toml").write_text(TEXT + EXPECTS)
    result = project.run(option, "--memnotify-again")
    assert result.ret == pytest.ExitCode.OK
    assert project.started() == Counter()
    assert LARGEST in result.stdout.str()


def test_nothing_is_chosen_or_written_for_a_plan(project: Project) -> None:
    with (project.path / "conftest.py").open("a") as file:
        file.write("\n\nsession.choose_base = None\n")
    assert project.run("--setup-plan").ret == pytest.ExitCode.OK
    assert not (project.path / "runs").exists()


def test_plugins_that_repeat_tests_see_each_outcome_once(project: Project) -> None:
    (project.path / "try.toml").write_text(TEXT + EXPECTS)
    with (project.path / "conftest.py").open("a") as file:
        file.write(REPEATS)
    result = project.run("--junitxml=out.xml")
    result.assert_outcomes(passed=4, failed=1)
    assert "in 0 of 4" in result.stdout.str()
    assert (project.path / "out.xml").read_text().count('<property name="clients"') == 4


KILLS = """
    import os
    import pathlib
    import time

    import pytest

    HERE = pathlib.Path(__file__).parent


    @pytest.mark.xdist_group("a")
    def test_first(): pass

    @pytest.mark.xdist_group("b")
    def test_second():
        with (HERE / "killed").open("a") as file:
            file.write("x")
        os._exit(1)

    @pytest.mark.xdist_group("b")
    def test_third(): pass

    @pytest.mark.xdist_group("c")
    def test_fourth(): pass
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("dist", ["loadgroup", "loadscope", "loadfile"])
def test_a_session_ends_when_a_worker_dies(project: Project, dist: str, workers: str) -> None:
    project.test_file(KILLS)
    result = project.run("-n", workers, "--dist", dist, timeout=120)
    result.assert_outcomes(passed=4 + 3, failed=1)
    assert (project.path / "killed").read_text() == "x"


@pytest.mark.parametrize("fault", [CELLS[0], CELLS[3]])
def test_a_session_ends_when_a_worker_dies_in_a_cell(project: Project, fault: str) -> None:
    project.faults(**{fault: "dies"})
    result = project.run("-n", "1", "--dist", "loadgroup", timeout=120)
    result.assert_outcomes(passed=3, failed=1)
    assert project.started() == Counter(CELLS)


def test_each_worker_may_have_all_cells(project: Project) -> None:
    result = project.run("-n", "2", "--dist", "each", timeout=120)
    result.assert_outcomes(passed=8)
    assert project.started() == Counter(CELLS)
