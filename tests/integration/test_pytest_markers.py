"""Markers and expectations under pytest, and projects with fixtures of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pytest
from memnotify.run.need import Need

from tests.support.campaigns import TEXT
from tests.support.plugin_project import (
    CELLS,
    CHOOSES,
    CONFTEST,
    LARGEST,
    Project,
    collected,
    made_project,
)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return made_project(pytester, monkeypatch)


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
