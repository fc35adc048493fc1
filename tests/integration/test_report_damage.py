"""Reports of runs that are damaged, incomplete, or cannot be written."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.digest import sealed
from memnotify.report.formats import make_report
from memnotify.results.folder import read_json, seal_results

from tests.support.campaigns import Bench, Guests
from tests.support.hostile_run import hostile_run, report, rewrite


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return hostile_run(tmp_path)


@pytest.mark.parametrize("key", ["outcome", "series", "wall_seconds"])
def test_a_verdict_that_lacks_something_is_one_clear_line(
    run: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    file = min(run.glob("cells/*/verdict.json"))
    verdict = json.loads(file.read_text())
    del verdict[key]
    rewrite(file, verdict)
    report = ["report", str(run), "-o", str(run.with_name("report.md"))]
    for command in (["show", str(run)], ["expect", str(run)], ["check", str(run)], report):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert (
            f"{file}: not a verdict in the format of this version of memnotify: it has no {key}"
            in said
        )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("id", "../../x", "belongs to another cell, '../../x'"),
        ("id", 7, "id is 7, not a string"),
        ("series", ["v4"], "series is ['v4'], not a string"),
        ("name", None, "name is None, not a string"),
        ("memory_mib", "64", "memory_mib is '64', not a whole number"),
        ("clients", True, "clients is True, not a whole number"),
        ("repeat", -1, "repeat is -1, not a whole number"),
        ("outcome", "fine", "outcome is 'fine', not an outcome"),
        ("wall_seconds", "long", "wall_seconds is 'long', not a number"),
        ("wall_seconds", 10**400, "not a number"),
        ("wakeups", "many", "wakeups is 'many', not a number"),
        ("batches", 3, "batches is 3, not a list"),
        ("batches", [{"wakeups": 1}], "batches[0] has no at_s"),
        ("batches", [None], "batches[0] is None, not an object"),
        ("gates", {"DMA": "x"}, "gates.DMA is 'x', not a number"),
        ("self_check", [1], "self_check is [1], not an object"),
    ],
)
def test_a_verdict_of_other_types_is_one_clear_line(
    run: Path, capsys: pytest.CaptureFixture[str], key: str, value: Any, says: str
) -> None:
    file = min(run.glob("cells/*/verdict.json"))
    rewrite(file, {**json.loads(file.read_text()), key: value})
    report = ["report", str(run), "-o", str(run.with_name("report.md"))]
    for command in ("show", "expect", "check", "compare"):
        assert main([command, str(run)]) == 2
        assert f"{file}: " in (said := capsys.readouterr().err)
        assert says in said
        assert "internal error" not in said
    assert main(report) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_is_no_number_is_damage(
    run: Path, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    file = min(run.glob("cells/*/verdict.json"))
    verdict = json.loads(file.read_text())
    text = json.dumps({**verdict, "wall_seconds": "NUMBER"}).replace('"NUMBER"', number)
    file.write_text(text)
    manifest = read_json(file.with_name("manifest.json"))
    del manifest["seal"]
    seal_results(file.parent, manifest)
    assert main(["show", str(run), "--json"]) == 2
    assert f"{file}: cannot be read: {number} is " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../../../secret", "/etc/passwd", "cell/../x"])
def test_a_manifest_names_files_of_its_folder_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Whoever sends a run must learn nothing about files beside it."""
    (tmp_path / "secret").write_text("a")
    file = min(run.glob("cells/*/manifest.json"))
    manifest = read_json(file)
    del manifest["seal"]
    manifest["files"][name] = "0" * 64
    file.write_text(json.dumps(sealed(manifest)))
    assert main(["check", str(run)]) == 1
    assert f"damaged: {file}: {name!r} is not a file of a cell" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["inputs"].update(scenario=5),
        lambda manifest: manifest["inputs"]["scenario"].update(steps=[{"op": 1}]),
        lambda manifest: manifest["inputs"]["scenario"]["steps"][0].update(op=99),
        lambda manifest: manifest["inputs"]["scenario"]["steps"][0].update(args=[]),
        lambda manifest: manifest.update(balloon=[{"step": "x", "query_seconds": 1}]),
        lambda manifest: manifest.update(balloon=None),
        lambda manifest: manifest.update(kernel={"facts": 5}),
        lambda manifest: manifest.update(kernel={"inputs": [[1, 2]]}),
        lambda manifest: manifest.update(image={"facts": "a"}),
        lambda manifest: manifest.pop("inputs"),
    ],
)
def test_a_manifest_of_other_types_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    folder = Bench(tmp_path).run(Guests())
    cell = folder.cell(folder.plan()[0].id)
    manifest = read_json(file := cell / "manifest.json")
    del manifest["seal"]
    change(manifest)
    seal_results(cell, manifest)
    for command in (
        ["show", str(folder.path), cell.name],
        ["report", str(folder.path), "-o", str(tmp_path / "report.html")],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert f"{file}: not a manifest in the format of this version of memnotify" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda inputs: inputs.update(memory_mib=[64]), "memory_mib of {} is [64], not a whole"),
        (lambda inputs: inputs["request"].update(series={}), "series of {} is {{}}, not a string"),
        (lambda inputs: inputs.update(image=5), "image of {} is 5, not a string"),
        (
            lambda inputs: inputs.pop("hardware"),
            "not a plan in the format of this version of memnotify: no 'hardware'",
        ),
    ],
)
def test_a_plan_of_other_types_is_one_clear_line(
    run: Path, capsys: pytest.CaptureFixture[str], change: Any, says: str
) -> None:
    plan = run / "plan.json"
    rows = json.loads(plan.read_text())
    change(rows[0]["inputs"])
    plan.write_text(json.dumps(rows))
    assert main(["compare", str(run)]) == 2
    assert f"{plan}: {says.format(rows[0]['id'])}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    ["cells/*/verdict.json", "cells/*/records.parquet", "cells/*/manifest.json", "plan.json"],
)
def test_a_pipe_in_a_run_is_read_by_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run = Bench(tmp_path).run(Guests()).path
    file = min(run.glob(name))
    file.unlink()
    os.mkfifo(file)
    for command in ("show", "check", "compare", "expect", "report"):
        assert main([command, str(run)]) in (0, 1, 2)
        assert f"{file}: not a regular file" in capsys.readouterr().err


def test_a_pipe_without_a_reader_is_refused_before_the_work(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe.html"
    os.mkfifo(pipe)
    for name in ("report", "published", "plot"):
        monkeypatch.setattr(f"memnotify.cli.{name}.say_damaged", lambda _: pytest.fail("work"))
    for command, option in (("report", "-o"), ("published", "--csv"), ("plot", "-o")):
        assert main([command, str(run), option, str(pipe)]) == 2
        assert f"{pipe}: cannot be written: no program reads this pipe" in capsys.readouterr().err


def test_the_reader_of_a_pipe_gets_the_whole_report(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not see the end of the pipe between the first look at it and the report."""
    pipe = tmp_path / "pipe.md"
    os.mkfifo(pipe)
    read: list[str] = []

    def late() -> None:
        time.sleep(0.2)
        read.append(pipe.read_text())

    thread = threading.Thread(target=late)
    thread.start()

    def slowly(*args: Any) -> None:
        time.sleep(0.3)
        make_report(*args)

    monkeypatch.setattr("memnotify.cli.report.make_report", slowly)
    assert main(["report", str(run), "-o", str(pipe)]) == 0
    thread.join(10)
    assert read == [report(run, ".md")]


def test_where_it_cannot_be_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("r.pdf", "suffix"), ("r", "suffix"), ("none/r.md", "cannot be written")):
        assert main(["report", str(run), "-o", str(run / name)]) == 2
        assert words in capsys.readouterr().err
    assert main(["report", str(run / "cells")]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["no log", "another's log", "a verdict", "no manifest"])
def test_a_damaged_cell_counts_as_not_run_and_is_said(
    bench: Bench, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    folder = bench.run(Guests())
    one, other = (folder.cell(row.id) for row in folder.plan()[:2])
    match damage:
        case "no log":
            file = one / "records.parquet"
            file.unlink()
        case "another's log":
            file = one / "records.parquet"
            file.write_bytes((other / "records.parquet").read_bytes())
        case "a verdict":
            file = one / "verdict.json"
            file.write_text(file.read_text().replace('"ok"', '"finding:hang"'))
        case "no manifest":
            file = one / "manifest.json"
            file.unlink()
    run = str(folder.path)
    rest = {
        "show": "4 cells: 3 ok, 0 findings, 0 infrastructure failures, 1 not run",
        "check": "3 cells, ",
        "compare": "cells: 1 have not been run",
        "report": "report.html",
        "expect": "has no expectations",
    }
    for command, words in rest.items():
        assert main([command, run]) == (command == "check"), command
        out, err = capsys.readouterr()
        assert re.fullmatch(rf"damaged: {file}: .*; run the campaign again\n", err), command
        assert words in out
    assert main(["show", run, one.name]) == 2
    assert str(file) in capsys.readouterr().err


def test_a_run_without_results_has_no_report(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In CI, a report in which nothing failed would be a success."""
    for cell in (run / "cells").iterdir():
        cell.rename(tmp_path / cell.name)
    campaign = run / "campaign.toml"
    expected = '[[expect]]\nsays = "it wakes"\nwhat = "wakeups > 0"\n'
    campaign.write_text(f"{campaign.read_text()}\n{expected}")
    for command in (["report", "-o", str(tmp_path / "junit.xml")], ["expect"]):
        assert main([command[0], str(run), *command[1:]]) == 2, command
        assert f"no cell of {run} has results" in capsys.readouterr().err
    assert not (tmp_path / "junit.xml").exists()
