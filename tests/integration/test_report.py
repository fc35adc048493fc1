"""Reports of a run with made-up guests, one of them made by somebody hostile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from memnotify.cli.main import main
from memnotify.report.cells import CaseStatus, ExpectReport, RunReport
from memnotify.report.markdown import markdown
from memnotify.report.page.data import digest
from memnotify.results.folder import RunFolder

from tests.support.drawn import made_up_log as drawn_log
from tests.support.drawn import made_up_run
from tests.support.hostile_run import HOSTILE, hostile_run, report, rewrite


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return hostile_run(tmp_path)


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
    assert all(link.startswith("#") for link in reader.links), "nothing from elsewhere"
    cells = [name for name in reader.ids if re.fullmatch("data-[0-9a-f]{16}", name)]
    assert len(cells) == 3
    assert all(c.isprintable() or c == "\n" for c in text)


def scripts_of(text: str) -> list[str]:
    """Return the scripts of a page that a browser would run."""
    found = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.S)
    return [script for attributes, script in found if "text/plain" not in attributes]


def test_the_page_allows_its_own_script_and_style_only(run: Path) -> None:
    text = report(run, ".html")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (script,) = scripts_of(text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert digest(script) in sources["script-src"].split()
    assert sources["style-src"] == digest(style)
    assert sources["default-src"] == sources["base-uri"] == sources["form-action"] == "'none'"
    assert "unsafe" not in policy and "http" not in policy
    # Whatever a guest wrote becomes text.
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script)
    assert " style=" not in text.replace(script, "") and " onclick=" not in text


def test_units_are_written_as_units(run: Path) -> None:
    text = report(run, ".html")
    assert "memory MiB " in text
    assert "memory mib" not in text


def test_what_is_wrong_is_in_the_headline(run: Path) -> None:
    (said,) = re.findall(r'id="verdict">([^<]*)<', report(run, ".html"))
    wrong, _, well = said.partition(", 1 of ")
    assert wrong == "Failed: 1 infrastructure failure, 1 finding, 1 cell not run"
    assert well == "4 cells ok, 2 promises kept"
    with (run / "campaign.toml").open("a") as file:
        file.write('[[expect]]\nsays = "many"\nwhat = "wakeups > 1000"\n')
    (said,) = re.findall(r'id="verdict">([^<]*)<', report(run, ".html"))
    assert said.startswith("Failed: 1 of 1 expectation not met, ")


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


def test_without_a_name_it_is_in_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert (run / "report.html").read_text().startswith("<!doctype html>")


def test_a_column_of_numbers_goes_right_with_its_head_and_what_is_unknown(tmp_path: Path) -> None:
    silent = (
        "none-1",
        drawn_log({}),
        {"series": "none", "memory_mib": 64, "first_wakeup_ms": None},
    )
    woken = ("v4-1", drawn_log({9.0: 5}), {"series": "v4", "memory_mib": 96, "first_wakeup_ms": 7})
    text = report(made_up_run(tmp_path / "run", [silent, woken]), ".html")
    assert re.search(r'<th [^>]*data-name="memory_mib" class="axis number"', text)
    assert re.search(r'<th [^>]*data-name="first_wakeup_ms" class="number"', text)
    assert re.search(r'<th [^>]*data-name="outcome">', text)
    assert '<td class="number">-</td>' in text and '<td class="number">7</td>' in text
