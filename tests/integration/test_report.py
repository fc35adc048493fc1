"""Reports of a run with made-up guests, one of them made by somebody hostile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from memnotify.cli.main import main
from memnotify.model import Cell, CellResult, Finding, Outcome
from memnotify.records.layout import CheckResult, Kind
from memnotify.records.log import VIEWS, RecordLog
from memnotify.records.parquet import write_records
from memnotify.report.cells import CaseStatus, ExpectReport, RunReport
from memnotify.report.formats import make_report
from memnotify.report.markdown import markdown
from memnotify.results.folder import RunFolder, read_json, seal_results
from memnotify.store import sealed

from tests.support.campaigns import Bench, Guests, S, fails, made_up_log, record

HOSTILE = (
    "<script>x</script> ]]> # SKIP | \x1b[31m\x00\x9b31m\ufffe \u202e`*[a](b)\nok 9 y"
    "\n[[ATTACHMENT|/etc/passwd]]"
)
ZONE = b"<b>\x1b]0;"
TASK = b"<script>\x1b]0;"


def hostile(cell: Cell, folder: Path) -> CellResult:
    (folder / "console.log").write_bytes(b"\xff\n" + HOSTILE.encode())
    task = record(Kind.SELF_CHECK, 12 * S)
    named = task.view(VIEWS[Kind.SELF_CHECK])
    named["name"], named["result"], named["error"] = TASK, CheckResult.FAILED, 2**32 - 1
    records = np.concatenate([made_up_log(cell, ZONE).records, task])
    records["commit"] = np.arange(1, len(records) + 1)
    write_records(RecordLog(records, lost=0, torn=0), folder / "records.parquet")
    outcome = Outcome(finding=Finding.PANIC, detail=HOSTILE)
    return CellResult(outcome=outcome, guest_ns=S, wall_seconds=1.0, records=0, lost_records=0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run: one cell ok, one hostile, one failed, and one that is gone."""
    folder = Bench(tmp_path).run(Guests(hostile, fails, fails, fails), limit=1)
    ok = next(row.id for row in folder.verdicts() if str(row.outcome) == "ok")
    folder.cell(ok).rename(tmp_path / "gone")
    return folder.path


def rewrite(file: Path, verdict: dict[str, Any]) -> None:
    """Change a verdict, like somebody who knows of the manifest's digests."""
    file.write_text(json.dumps(verdict))
    manifest = read_json(file.with_name("manifest.json"))
    del manifest["seal"]
    seal_results(file.parent, manifest)


def report(run: Path, suffix: str) -> str:
    file = run.with_name(f"report{suffix}")
    assert main(["report", str(run), "-o", str(file)]) == 0
    return file.read_text()


@pytest.mark.parametrize("place", ["cell/console.log", "cell", "campaign.toml", "cells"])
@pytest.mark.parametrize("command", ["report", "show", "check", "compare"])
def test_no_file_of_ours_is_read_by_a_link_in_a_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, command: str
) -> None:
    cell = next(
        file.parent for file in run.glob("cells/*/verdict.json") if "panic" in file.read_text()
    )
    link = cell / "console.log" if "/" in place else cell if place == "cell" else run / place
    elsewhere = tmp_path / "of ours"
    link.rename(elsewhere)
    link.symlink_to(elsewhere)
    page = tmp_path / "page.html"
    options = {"report": ["-o", str(page)], "show": [cell.name], "compare": ["--by", "memory_mib"]}
    assert main([command, str(run), *options.get(command, [])]) == 2
    assert (
        capsys.readouterr().err == f"memnotify: {link}: a link; results must be files and folders\n"
    )
    assert not page.exists()


def numbered(name: str, lines: list[str]) -> list[str]:
    """Return the numbers of the lines of a TAP report with names that begin like this."""
    found = [re.match(rf"(not )?ok (\d+) {name}", line) for line in lines]
    return [match[2] if match else "" for match in found]


def test_junit(run: Path) -> None:
    suites = ElementTree.fromstring(report(run, ".xml"))
    (suite,) = suites
    assert suite.get("name") == "try"
    assert suite.get("tests") == "4"
    for count, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.get(count) == "1" == str(len(suite.findall(f"*/{element}")))
    for case in suite:
        if case.find("skipped") is None:
            names = {item.get("name") for item in case.iter("property")}
            assert {"id", "base", "series", "memory_mib", "clients", "wall_seconds"} <= names
    for out in suite.iter("system-out"):
        (attached,) = re.findall(r"\[\[ATTACHMENT\|([^]]*)\]\]", out.text or "")
        assert Path(attached).is_file()


def test_a_console_is_attached_by_its_path_from_the_folder_of_the_job(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    for out in ElementTree.fromstring(report(run, ".xml")).iter("system-out"):
        (attached,) = re.findall(r"\[\[ATTACHMENT\|([^]]*)\]\]", out.text or "")
        assert Path(attached).parts[:2] == (run.name, "cells")


def test_ktap(run: Path) -> None:
    lines = report(run, ".ktap").splitlines()
    assert lines[0] == "KTAP version 1"
    assert "1..4" in lines
    results = [line for line in lines if not line.startswith(("#", "1..", "KTAP"))]
    assert numbered(r"6\.1-", results) == list("1234")
    assert all(line.count("#") <= 1 for line in results)  # HOSTILE has one as well
    assert sum(" # SKIP not run" in line for line in results) == 1
    assert sum(" # ERROR infrastructure:" in line for line in results) == 1
    assert sum(line.startswith("not ok") for line in results) == 2
    assert lines[-1] == "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:1"


def test_texts_are_written_whatever_the_locale_and_whatever_is_in_them(run: Path) -> None:
    for file in run.glob("cells/*/verdict.json"):
        rewrite(file, json.loads(file.read_text()) | {"detail": "\ud800 \u00fc"})
    for suffix in (".html", ".xml", ".ktap", ".md"):
        file = run.with_name(f"report{suffix}")
        subprocess.run(
            [sys.executable, "-m", "memnotify.cli.main", "report", str(run), "-o", str(file)],
            check=True,
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        )
        assert "\\ud800 \u00fc" in file.read_text(encoding="utf-8")


def test_what_was_expected_is_in_all_of_them(run: Path) -> None:
    expect = f"""
[[expect]]
says = {json.dumps(HOSTILE)}
what = ["wakeups > 1000", "lost_records >= 0"]
[[expect]]
says = "for one that did not run"
clients = 7
what = "wakeups == 0"
"""
    with (run / "campaign.toml").open("a") as file:
        file.write(expect)
    *_, suite = ElementTree.fromstring(report(run, ".xml"))
    assert suite.get("name") == "try: expected"
    assert suite.get("tests") == "3"
    (failure,) = suite.iter("failure")
    assert (failure.get("message") or "").startswith("NOT met: in 0 of 3; ")

    lines = report(run, ".ktap").splitlines()
    assert "1..7" in lines
    results = [line for line in lines if line.startswith(("ok", "not ok"))]
    assert numbered("", results) == list("1234567")
    assert results[4].startswith("not ok 5 expect ")
    assert "# NOT met: in 0 of 3" in results[4]
    assert lines[-1].startswith("# Totals: pass:2 fail:2 ")

    for suffix in (".md", ".html"):
        text = report(run, suffix)
        assert "NOT met: in 0 of 3" in text
        assert "<script>" not in text


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
    monkeypatch.setattr("memnotify.cli.report.say_damaged", lambda _: pytest.fail("work"))
    monkeypatch.setattr("memnotify.cli.published.say_damaged", lambda _: pytest.fail("work"))
    for command, option in (("report", "-o"), ("published", "--csv")):
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


def test_markdown(run: Path) -> None:
    text = report(run, ".md")
    assert text.startswith("### try: 4 cells: ")
    assert "<script>" not in text
    tables = [part.split("\n") for part in text.split("\n\n") if part.startswith("| ")]
    assert [lines[0].split(" | ")[0] for lines in tables] == ["| cell", "| cell"]
    wrong, all_cells = tables
    for lines, bars, cells in ((wrong, 4, 2), (all_cells, 9, 4)):
        assert len(lines) == 2 + cells  # titles, a rule, and a line for each cell
        for line in lines:
            assert len(re.findall(r"(?<!\\)\|", line)) == bars, line
    names = [line.split(" | ")[0].removeprefix("| ").replace("\\", "") for line in all_cells[2:]]
    assert names == [row.name for row in RunFolder(run).plan()]


def test_markdown_has_a_table_of_the_expectations() -> None:
    wrong = ExpectReport(says="a|b", what="wakeups", result="1", status=CaseStatus.FAILED)
    table = "| expected | details | result |\n| --- | --- | --- |\n| a\\|b | wakeups | 1 |\n\n"
    assert table in markdown(RunReport(name="try", cells=(), expected=(wrong,)))


def test_html(run: Path) -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: set[str] = set()
            self.links: list[str] = []
            self.ids: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.add(tag)
            self.links += [value or "" for name, value in attrs if name in ("href", "src")]
            self.ids += [value or "" for name, value in attrs if name == "id"]

    text = report(run, ".html")
    reader = Reader()
    reader.feed(text)
    assert "script" not in reader.tags
    assert all(link.startswith("#") for link in reader.links), "nothing from elsewhere"
    assert len(reader.ids) == 3
    assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("suffix", [".html", ".xml", ".ktap", ".md"])
def test_nothing_hostile_gets_through(run: Path, suffix: str) -> None:
    text = report(run, suffix)
    if suffix == ".xml":
        text = text.replace("\u202e", "")  # only programs read it
    assert all(c.isprintable() or c == "\n" for c in text)
    if suffix == ".ktap":
        assert "\nok 9" not in text


def test_nothing_hostile_gets_to_a_terminal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [folder.name for folder in run.glob("cells/*")]
    for words in ([], *([cell] for cell in ids)):
        assert main(["show", str(run), *words]) == 0
    main(["check", str(run)])
    main(["expect", str(run)])
    main(["show", str(run / HOSTILE.replace("\0", ""))])
    said = capsys.readouterr()
    for word in ("zone <b>\\x1b]0;", "<script>\\x1b]0; FAILED", "# SKIP | \\x1b[31m"):
        assert word in said.out
    assert "is not the folder of a run" in said.err
    assert all(c.isprintable() or c == "\n" for c in said.out + said.err)


def test_where_it_cannot_be_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("r.pdf", "suffix"), ("r", "suffix"), ("none/r.md", "cannot be written")):
        assert main(["report", str(run), "-o", str(run / name)]) == 2
        assert words in capsys.readouterr().err
    assert main(["report", str(run / "cells")]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


def test_without_a_name_it_is_in_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert (run / "report.html").read_text().startswith("<!doctype html>")


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
