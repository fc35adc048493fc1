"""The tables of commands: as CSV, with columns of choice, sorted, and at 80 columns."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.cli.output import say_next
from memnotify.report.comparison import print_comparison
from memnotify.report.table import print_run
from memnotify.results.comparison import compare_runs
from memnotify.results.verdict import Verdict
from rich.console import Console

from tests.support.compared_runs import made_up_run, ok
from tests.support.rows import full_row as row


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    entries = [ok(series, woken=w, seed=s) for series, w in (("v3", 5), ("v4", 2)) for s in (1, 2)]
    return made_up_run(tmp_path_factory.mktemp("tables") / "run", entries)


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        ("show", {"id", "wakeups", "repeatability", "wall_seconds"}),
        ("check", {"cell", "invariant", "tested", "verdict"}),
        ("compare", {"metric", "group", "median", "difference_low", "p"}),
    ],
)
def test_csv_has_a_row_for_each_row_of_json(
    run: Path, command: str, columns: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([command, str(run), "--json"])
    rows = json.loads(capsys.readouterr().out)
    main([command, str(run), "--csv"])
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(found) == len(rows) > 1
    assert columns <= found[0].keys()


def test_a_reader_chooses_columns_and_order(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", str(run), "--csv", "--columns", "metric,group,median", "--sort", "-median"])
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    known = [float(line["median"]) for line in found if line["median"]]
    assert known == sorted(known, reverse=True) and found[0].keys() == {"metric", "group", "median"}
    main(["show", str(run), "--columns", "series,outcome"])
    assert capsys.readouterr().out.splitlines()[1].split() == ["series", "outcome"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--columns serie", "no column 'serie' (did you mean series or scenario? there are: id, "),
        ("--sort wakups", "no column 'wakups' (did you mean wakeups? there are: id, "),
        ("--columns id,,series", "is not a list of columns"),
        ("--json --csv", "--json prints everything"),
        ("--json --columns id", "--json prints everything"),
    ],
)
def test_a_choice_that_cannot_be(
    run: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["show", str(run), *words.split()])
    except SystemExit as ended:
        status = int(str(ended.code))
    captured = capsys.readouterr()
    assert status == 2 and said in captured.err and not captured.out


def test_a_run_fits_80_columns_and_keeps_the_answer() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    verdicts = [Verdict.from_json(row(outcome="finding:hang")), Verdict.from_json(row())]
    print_run(console, verdicts, planned=2)
    lines = out.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines if "finding:hang: " not in line) <= 80
    rows = [line for line in lines if line.startswith("0123456789abcdef  ")]
    assert len(rows) == 2 and rows[0].split()[-1] == "finding:hang"  # one line each


def test_a_comparison_comes_in_blocks_that_fit(run: Path) -> None:
    found = compare_runs([run], by="series")
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True, color_system=None)
    print_comparison(console, found.rows, same={}, notes=[])
    heads = [line.split() for line in out.getvalue().splitlines() if line.startswith("median")]
    assert [head[-1] for head in heads] == ["v3", "Δ"]
    assert max(len(line) for line in out.getvalue().splitlines() if not line.startswith("Δ:")) <= 60


def test_what_to_type_next_is_for_terminals() -> None:
    for terminal in (True, False):
        out = io.StringIO()
        say_next(
            Console(file=out, width=80, force_terminal=terminal, color_system=None),
            ("show RUN", "the cells"),
            ("x" * 70, "too long to be explained"),
        )
        lines = out.getvalue().splitlines()
        assert bool(lines) == terminal
        if terminal:
            assert lines[0].startswith("next: memnotify show RUN  the cells")
            assert not lines[1].endswith("explained")
