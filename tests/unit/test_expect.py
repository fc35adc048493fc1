"""Expectations: how a comparison is parsed, its result, and how a campaign's are reported."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.campaign.figures import ALSO, read_comparison
from memnotify.campaign.figures import FIGURES as ALL_FIGURES
from memnotify.campaign.load import load_campaign
from memnotify.campaign.row import PlanRow
from memnotify.check.expression import parse_expression
from memnotify.check.reaction import UNITS
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine
from memnotify.model import Arch, Cell, CellResult, KernelRequest, Outcome
from memnotify.report.expect import print_expectations
from memnotify.report.plain import plain_console
from memnotify.results.expectations import expectations, failed
from memnotify.results.folder import RunFolder, seal_results
from memnotify.results.summary import Job, make_verdict
from memnotify.scenario import Scenario
from memnotify.store import Artifact

from tests.support.campaign_text import POLL, head, scenario, write
from tests.support.rows import row

FIGURES: dict[str, Any] = {
    "clients": 200,
    "max_batch": 100,
    "first_wakeup_ms": None,
    "outcome": "ok",
    "batches": [{"after_ms": None}, {"after_ms": 9990.5}],
    "status": {"stuck_s": 0.3},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("max_batch == 100", True),
        ("max_batch != 100", False),
        ("max_batch <= max(clients // 16, 100)", True),
        ("max_batch == min(clients // 16 + 1, 100)", False),
        ("0 < max_batch - 1 < clients / 2", True),
        ("0 < max_batch < clients / 2", False),
        ("2 * max_batch >= clients", True),
        ("batches[1].after_ms > 9990", True),
        ("status.stuck_s < 0.3", False),
        ("batches[0].after_ms > 0", None),
        ("batches[2].after_ms > 0", None),
        ("first_wakeup_ms >= 0", None),
        ("no_such_figure == 0", None),
        ("status.nothing == 0", None),
        ("clients.status == 0", None),
        ("max_batch[0] == 0", None),
        ("outcome == 0", None),
        ("outcome == 'ok'", True),
        ('outcome != "ok"', False),
        ("outcome != clients", None),
        ("max_batch / 3 < " + "9" * 400 + " / 3", None),
        ("clients / (max_batch - 100) > 0", None),
    ],
)
def test_what_a_comparison_gives(text: str, holds: bool | None) -> None:
    assert parse_expression(text).holds(FIGURES) is holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not an expression"),
        ("max_batch <", "not an expression"),
        ("max_batch", "^'max_batch' compares nothing$"),
        ("max_batch in clients", "^'max_batch in clients' uses a comparison other than"),
        ("open('x') == 1", "open"),
        ("open(1, 2) == 1", "open"),
        ("max(1) == 1", r"max\(1\)"),
        ("max.__class__('x', 'y') == 1", "not a number"),
        ("[x for x in y] == 1", "not a number"),
        ("batches[clients].after_ms > 0", "not a number"),
        ("2 ** 9 == 1", "not a number"),
        ("max_batch < 'x'", "^\"max_batch < 'x'\" compares a word with an operator other than"),
        ("max_batch + 'x' == 1", "not a number"),
        ("min > 3", "'min' is not a number"),
        ("max_batch < 1e999", "^a number is too large$"),
        ("max_batch" + " + 1" * 999 + " > 0", "is nested more than 100"),
        ("max_batch" + " + 1" * 99_999 + " > 0", "not an expression"),
        ("max_batch / 0 > 1", "^'max_batch / 0' divides by 0$"),
        ("1 < max_batch // 0.0", "divides by 0"),
        (
            "max(1, max_batch / (1 - min(1, 2))) > 1",
            r"'max_batch / \(1 - min\(1, 2\)\)' divides by 0",
        ),
        ("(" * 3_000, r"^'\({39} … \({39}' is not an expression$"),
        ("max_batch > " + "9" * 5_000, "^.{,150} is not an expression$"),
        (
            "max_batch > [" + "1, " * 1_000 + "]",
            "^.{,150}is not a number, figure, sum, min or max$",
        ),
        ("max_batch in (" + "1, " * 1_000 + ")", "^.{,150}uses a comparison other than"),
    ],
)
def test_what_is_no_comparison_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_expression(text)


@pytest.mark.parametrize("text", ["wakeups / 0.5 > 1", "1 / (wakeups - 1) > 0", "0 / wakeups < 1"])
def test_a_division_that_may_work(text: str) -> None:
    assert parse_expression(text).names == ("wakeups",)


def test_a_division_by_what_cannot_be_computed_is_not_one_by_0() -> None:
    expression = parse_expression(f"wakeups / ({'9' * 400} / 7) > 0")
    assert expression.holds({"wakeups": 1}) is None


@pytest.mark.parametrize("text", ["0 < wakeups < 9", "1 < wakeups > max_batch < 3", "0 < wakeups"])
def test_chains_in_which_each_comparison_has_a_figure(text: str) -> None:
    assert read_comparison(text).text == text


@pytest.mark.parametrize(
    ("before", "after"), [("", " + 1"), ("1 + (", ")"), ("", ".of"), ("max(1, ", ")")]
)
def test_how_deep_an_expression_may_go(before: str, after: str) -> None:
    parse_expression(f"{before * 100}wakeups{after * 100} > 0")
    with pytest.raises(ValueError, match="nested more than 100 levels"):
        parse_expression(f"{before * 101}wakeups{after * 101} > 0")


def test_an_expression_names_the_figures_that_it_asks_for_in_order() -> None:
    assert parse_expression("max(b, c.least) < min(a, b) + 3").names == ("a", "b", "c")


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse_expression(text).holds(FIGURES) in (True, False, None)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wakeup > 0", "^'wakeup > 0': unknown figure wakeup .did you mean wakeups?"),
        ("outcome != ok", "unknown figure ok .write words in quotes"),
        ("gate_to_first_ms < 5", "unknown figure gate_to_first_ms .memnotify compare computes it"),
        ("1 < 2", "^'1 < 2' does not refer to a figure"),
        ("'outcome' != 'ok'", "does not refer to a figure"),
        ("outcome == 3", "^'outcome == 3' compares a word with a number$"),
        (
            "arch == 'infrastructure:host'",
            "^\"arch == 'infrastructure:host'\": arch is never 'infrastructure:host'",
        ),
        ("wakeups == '3'", "compares a number with a word"),
        ("series < arch", "^'series < arch' compares words with an operator other than"),
        ("series + 1 == 2", r"series \+ 1: series is a word"),
        ("max(clients, arch) > 2", "arch is a word"),
        ("batches > 2", r"batches is a list: select an element, as in batches\[0\]"),
        ("batches[0] > 2", r"several figures: batches\[0\].at_s, batches\[0\].wakeups"),
        ("gates > 2", "several figures: gates.NAME"),
        ("batches[0].wakups > 2", r"batches\[0\] has no member wakups .did you mean wakeups"),
        ("wakeups.least > 2", "wakeups.least: wakeups has no members"),
        ("wakeups[0] > 2", r"wakeups\[0\]: wakeups is not a list"),
        ("wakeups > 0 > 1", "'wakeups > 0 > 1' compares 0 with 1: neither refers to a figure"),
        ("1 < 2 * 3 <= wakeups", r"compares 1 with 2 \* 3: neither"),
        ("series == 'v4' == 'v4'", "compares 'v4' with 'v4': neither"),
        ("wakeups == 'a' != '" + "b" * 3_000 + "'", "^.{,300}$"),
    ],
)
def test_figures_that_no_cell_has_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_comparison(text)


@pytest.mark.parametrize(
    "text",
    [
        "outcome == 'ok'",
        "series != arch",
        "batches[1].after_ms >= 9900",
        "min(gates.DMA32, clients // 16 + 1) > 2",
        "self_check.failed == 0",
        "wakeups_each.nearest_ms > status.stuck_s * 1000",
    ],
)
def test_figures_of_the_right_kind_are_compared(text: str) -> None:
    assert read_comparison(text).text == text


def test_the_names_that_compare_has_for_the_same_figures() -> None:
    cell = {"max_batch": 5, "swapped_out_before_first": 0, "clients": 5}
    both = read_comparison("max(batch_max, 1) == clients")
    assert (both.holds(cell), both.names) == (True, ("clients", "max_batch"))
    assert read_comparison("swapped_before_first == 0").holds(cell) is True
    assert set(ALSO) <= set(UNITS) - set(ALL_FIGURES)
    assert set(ALSO.values()) <= set(ALL_FIGURES)


def test_every_verdict_has_the_figures(tmp_path: Path) -> None:
    scenario = Scenario(name="s", start_ns=0, duration_ns=1, sample_ns=1, steps=())
    request = KernelRequest(base="6.1", series="v4", arch=Arch.X86_64)
    cell = Cell(
        request=request, machine=load_machine("pc"), memory_mib=64, clients=1, scenario=scenario
    )
    nothing = Artifact(kind="kernel", key="k", path=tmp_path, inputs={}, facts={})
    job = Job(id="i", name="n", cell=cell, kernel=nothing, image=nothing)
    result = CellResult(outcome=Outcome(), guest_ns=0, wall_seconds=1, records=0, lost_records=0)
    verdict = make_verdict(job, result, tmp_path / "none.parquet")
    assert verdict.to_json().keys() == ALL_FIGURES.keys() - {"setting"} | {"id", "name"}


CAMPAIGN = (
    head(series=["v4", "v6"], memory_mib=64, clients=[1, 32], machine="pc-swap", scenario="s")
    + scenario("s", (0, POLL), duration_s=9)
    + """
[[expect]]
says = "v4 wakes all"
series = "v4"
what = ["wakeups == clients", "batches[0].spread_ms < 5"]
"""
)
ROWS = [("a", "v4", 1, 1), ("b", "v4", 32, 31), ("c", "v6", 1, 0)]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Make a run of three of the campaign's cells."""
    run = RunFolder(tmp_path / "run")
    run.make()
    plan = [PlanRow(id=name, name=name) for name, *_ in ROWS]
    run.begin(CAMPAIGN.encode(), plan)
    for name, series, clients, wakeups in ROWS:
        run.cell(name).mkdir()
        verdict = row(name, series=series, clients=clients, wakeups=wakeups)
        (run.cell(name) / "verdict.json").write_text(json.dumps(verdict))
        seal_results(run.cell(name), {"id": name, "outcome": "ok"})
    return run


def test_cells_are_picked_and_told_apart(folder: RunFolder) -> None:
    wakeups, spread = expectations(folder, folder.verdicts())
    assert (wakeups.kept, wakeups.broken, wakeups.absent) == (("a",), ("b",), ())
    assert (spread.kept, spread.broken, spread.absent) == ((), (), ("a", "b"))
    assert (wakeups.met, spread.met) == (False, False)
    assert failed([wakeups])
    assert failed([spread])


def change(folder: RunFolder, old: str, new: str) -> None:
    assert old in CAMPAIGN
    (folder.path / "campaign.toml").write_text(CAMPAIGN.replace(old, new))


def test_an_expectation_may_name_a_figure_as_compare_does(folder: RunFolder) -> None:
    change(folder, '["wakeups == clients", "batches[0].spread_ms < 5"]', '"batch_max > 0"')
    (result,) = expectations(folder, folder.verdicts())
    assert (result.what, result.absent) == ("batch_max > 0", ("a", "b"))
    place = folder.cell("a") / "verdict.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "max_batch": 1}))
    seal_results(folder.cell("a"), {"id": "a", "outcome": "ok"})
    (result,) = expectations(folder, folder.verdicts())
    assert (result.kept, result.absent) == (("a",), ("b",))


def test_one_cell_is_enough_for_some(folder: RunFolder) -> None:
    change(folder, 'says = "v4 wakes all"', 'says = "v4 wakes all of some"\nsome = true')
    wakeups, spread = expectations(folder, folder.verdicts())
    assert (wakeups.met, spread.met) == (True, False)


def test_what_was_not_tried_has_not_failed_and_is_said(folder: RunFolder) -> None:
    change(folder, 'series = "v4"\n', 'series = "v6"\nclients = 32\n')
    results = expectations(folder, folder.verdicts())
    assert [result.met for result in results] == [None, None]
    assert not failed(results)
    out = io.StringIO()
    print_expectations(plain_console(out), results)
    assert out.getvalue().count("not tried") == 2


def test_the_command_says_it_and_exits_with_1(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["expect", str(folder.path)]) == 1
    said = capsys.readouterr().out
    assert "NOT met: in 1 of 2; not in b" in said
    assert "no counterpart for a, b" in said
    assert main(["expect", str(folder.path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == 2
    change(folder, '["wakeups == clients", "batches[0].spread_ms < 5"]', '"wakeups > 0"')
    assert main(["expect", str(folder.path)]) == 0
    assert "met: in 2 of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('series = "v4"', 'series = "v5"', r"toml:22: expect\[0\]\.series: no cell has v5"),
        ('series = "v4"', "clients = 2", r"\]\.clients: no cell has 2 \(there are: 1, 32\)"),
        ('"wakeups == clients"', '"wakeups"', r"toml:23: .*compares nothing"),
        (
            '"wakeups == clients"',
            "\"outcome != 'finding:oomkill'\"",
            r"toml:23: .*outcome is never 'finding:oomkill' \(did you mean finding:oom-kill\?\)",
        ),
        ('"wakeups == clients"', "\"'OK' == outcome\"", r"outcome is never 'OK'"),
        ('"wakeups == clients"', "\"series != 'v44'\"", r"toml:23: .*no cell has series 'v44'"),
        ('"wakeups == clients"', "\"base == '6.2'\"", r"no cell has base '6\.2'"),
        ('says = "v4 wakes all"\n', "", r"says: this key is missing"),
    ],
)
def test_an_expectation_of_nothing_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = write(tmp_path, CAMPAIGN.replace(old, new))
    with pytest.raises(InputError, match=words):
        load_campaign(path)


@pytest.mark.parametrize("word", ["ok", "finding:oom-kill", "infrastructure:qemu-died"])
def test_outcomes_that_there_are(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, CAMPAIGN.replace('"wakeups == clients"', f"\"outcome != '{word}'\""))
    assert load_campaign(path).table.expect
