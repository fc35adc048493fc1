"""`memnotify plot` on made-up runs: every kind in every form, what is chosen, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.records.layout import Kind
from memnotify.results.folder import RunFolder

from tests.support.drawn import Guest, made_up_log, made_up_run, record
from tests.support.logs import log_of

Said = pytest.CaptureFixture[str]


def guest(cell: str, size: int, **point: Any) -> Guest:
    return cell, made_up_log({9.0: size} if size else {}), point


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run of two series with three seeds, and one cell that left no log."""
    guests = [
        guest(f"{series}-{seed}", size + seed - 1, series=series, repeat=seed)
        for series, size in (("v3", 1), ("v4", 16))
        for seed in (1, 2, 3)
    ]
    other: Mapping[str, Any] = {"series": "v6", "scenario": "other", "outcome": "finding:hang"}
    guests.append(("v6-empty", None, other))
    return made_up_run(tmp_path_factory.mktemp("plot") / "run", guests)


def title(file: Path) -> str:
    found = ET.parse(file).getroot().findtext("{http://www.w3.org/2000/svg}title")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["v4-2"], "v4 wakes 17 of 20 clients at once, 250 ms after the gate opens"),
        (["v3-1", "v4-2"], "v4 #2 wakes 17 at once, v3 #1 at most 1"),
        ([], "v4 wakes 17 at once, v3 at most 2 (medians of 3 runs)"),
        (["--figure", "wakeups"], "wakeups: v3 2 and v4 17 wakeups (medians of 3 runs)"),
        (["--kind", "timeline"], "v4 wakes 16 at once, v3 at most 1"),
        (["--kind", "batches"], "v4 wakes 18 at once, v3 at most 3"),
        (["--kind", "herd", "--only", "series=v4"], "Of 20 clients, v4 wakes 17 at once"),
        (["--kind", "latency"], "v4 wakes half of the clients within 251 ms of the gate's "),
        (["--kind", "timeline", "--by", "series", "--only", "series=v3"], "v3 wakes 1 of 20"),
    ],
)
def test_what_is_drawn(
    run: Path, tmp_path: Path, capsys: Said, words: list[str], answer: str
) -> None:
    file = tmp_path / "out.svg"
    assert main(["plot", str(run), *words, "-o", str(file)]) == 0
    assert title(file).startswith(answer)
    said = capsys.readouterr()
    assert said.out == f"{file}\n"
    assert said.err == f"{title(file)}\n"


def test_forms(run: Path, tmp_path: Path) -> None:
    files = {form: tmp_path / f"out.{form}" for form in ("svg", "png", "pdf", "html")}
    for file in files.values():
        assert main(["plot", str(run), "v4-1", "-o", str(file)]) == 0
    png = files["png"].read_bytes()
    assert png.startswith(b"\x89PNG") and int.from_bytes(png[16:20], "big") == 1400
    assert files["html"].read_text().startswith("<!doctype html>")
    assert ET.parse(files["svg"]).getroot().get("width") == "700"
    assert files["pdf"].read_bytes().startswith(b"%PDF-")
    if shutil.which("pdftotext"):
        done = subprocess.run(
            ["pdftotext", files["pdf"], "-"], capture_output=True, text=True, check=True
        )
        assert "v4 wakes 16 of 20 clients at once" in " ".join(done.stdout.split())
        assert "free memory of each zone, MiB" in done.stdout


def test_without_a_name_it_goes_into_the_folder_of_the_run(
    run: Path, tmp_path: Path, capsys: Said
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert main(["plot", str(copy), "v3-1"]) == 0
    assert capsys.readouterr().out == f"{copy / 'plot.svg'}\n"
    assert title(copy / "plot.svg").startswith("v3 wakes 1 of 20")


def test_two_runs_of_the_command_write_the_same_bytes(run: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for file in files:
        command = [sys.executable, "-m", "memnotify", "plot", str(run), "v4-1", "-o", str(file)]
        subprocess.run(command, check=True, capture_output=True)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_two_cells_that_part(tmp_path: Path) -> None:
    guests = [guest("one", 3, series="v4"), guest("other", 5, series="v4", repeat=2)]
    run = made_up_run(tmp_path / "run", guests)
    file = tmp_path / "out.svg"
    assert main(["plot", str(run), "one", "other", "-o", str(file)]) == 0
    text = "".join(ET.parse(file).getroot().itertext())
    found = re.search(r"The logs part at record (\d+) \((.*?)\), where", text)
    assert found is not None
    logs = [log for _, log, _ in guests]
    assert logs[0] is not None and logs[1] is not None
    number = int(found[1])
    a, b = (log.records[["kind", "client"]] for log in logs if log is not None)
    assert (a[:number] == b[:number]).all() and a[number] != b[number]
    assert found[2] == " and ".join(Kind(side["kind"][number]).name for side in (a, b))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["v4-9"], "has no cell v4-9 (did you mean v4-"),
        (["v"], "v is ambiguous: it matches v3-1, "),
        (["zebra"], "has no cell zebra (there are: v3-1, "),
        (["v6-empty"], "v6-empty left no log with samples, so there is nothing to draw"),
        (["-o", "out.gif"], "out.gif: the name of a picture must end in .svg or .png or .pdf"),
        (["-o", "out"], "out: the name of a picture must end in"),
        (["-o", "no/such/out.svg"], "cannot be written: the folder that it goes into does not"),
        (["--figure", "herds"], "there is no figure herds (did you mean herd?)"),
        (["--only", "series=v9"], "--only series=v9 matches none (there are: v3, v4, v6)"),
        (["--only", "colour=red"], "--only colour=red: not a value of an axis"),
        (["--kind", "published"], "does not reproduce a published experiment"),
    ],
)
def test_bad_input_is_one_line(
    run: Path,
    tmp_path: Path,
    capsys: Said,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    assert main(["plot", str(run), *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1 and said.out == ""
    assert [path for path in tmp_path.iterdir() if path.name != "x"] == []
    assert not (run / "plot.svg").exists()


def test_a_run_without_results(tmp_path: Path, capsys: Said) -> None:
    run = RunFolder(made_up_run(tmp_path / "run", [guest("one", 1)]))
    shutil.rmtree(run.cell("one"))
    for words, message in (
        (["one"], "has results to draw"),
        ([], "has results to draw"),
    ):
        assert main(["plot", str(run.path), *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["plot", str(tmp_path / "nowhere")]) == 2


def test_too_many_cells(tmp_path: Path, capsys: Said) -> None:
    guests = [guest(f"cell-{name}", 1) for name in "abcdefghij"]
    run = made_up_run(tmp_path / "run", guests)
    cells = [cell for cell, *_ in guests]
    assert main(["plot", str(run), *cells]) == 2
    assert "10 cells are too many side by side; at most 8 have room" in capsys.readouterr().err


def test_a_log_without_samples(tmp_path: Path, capsys: Said) -> None:
    log = log_of(record(Kind.START, 0, start_ns=1))
    run = made_up_run(tmp_path / "run", [("one", log, {})])
    assert main(["plot", str(run), "one"]) == 2
    assert "one left no log with samples" in capsys.readouterr().err
    assert main(["show", str(run), "one"]) == 0


def test_without_the_library_it_says_which_extra(
    run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert main(["plot", str(run), "-o", str(tmp_path / "a.svg")]) == 3
    assert "drawing a picture needs vl_convert" in (said := capsys.readouterr().err)
    assert "memnotify[report]" in said
    assert main(["show", str(run), "v4-1"]) == 0  # which needs no extra


def test_show_draws_the_timeline_in_letters(run: Path, capsys: Said) -> None:
    assert main(["show", str(run), "v4-1"]) == 0
    text = capsys.readouterr().out
    table, _, drawn = text.partition("\n\n")
    assert "16 wakeups of 16 clients" in table
    assert re.search(r"^DMA32 free +█+", drawn, re.M)
    assert re.search(r"^wakeups +█.*  16 of 20 clients$", drawn, re.M)
    assert "\x1b" not in text
    assert main(["show", str(run), "v4-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "v4-1"
