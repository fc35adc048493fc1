"""`memnotify plot` on runs that are damaged: one line and status 2, or what is left of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memnotify.cli.main import main
from memnotify.records import layout
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.report.plots.choose import PictureKind
from memnotify.results.folder import RECORDS, VERDICT, RunFolder, read_json, seal_results

from tests.support.drawn import Guest, made_up_log, made_up_run

Said = pytest.CaptureFixture[str]
Damage = Callable[[Path], None]
DAMAGED, INTACT = "v4-2", ("v3-1", "v3-2", "v4-1")
KINDS = [str(kind) for kind in PictureKind if kind is not PictureKind.PUBLISHED]


def truncated(cell: Path) -> None:
    file = cell / RECORDS
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(cell: Path) -> None:
    (cell / RECORDS).write_bytes(b"")


def garbage(cell: Path) -> None:
    (cell / RECORDS).write_bytes(b"PAR1" + bytes(range(256)) * 20 + b"PAR1")


def other_table(cell: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), cell / RECORDS)


def no_records(cell: Path) -> None:
    write_records(RecordLog(np.zeros(0, layout.RECORD), lost=0, torn=0), cell / RECORDS)
    verdict = json.loads((cell / VERDICT).read_text())
    (cell / VERDICT).write_text(json.dumps(verdict | {"guest_seconds": 0.0}))


def absent(cell: Path) -> None:
    (cell / RECORDS).unlink()


def a_folder(cell: Path) -> None:
    (cell / RECORDS).unlink()
    (cell / RECORDS).mkdir()


LOGS: tuple[Damage, ...] = (truncated, empty, garbage, other_table, no_records, absent, a_folder)


def sealed(damage: Damage) -> Damage:
    """Return the same damage, with a manifest that knows of it."""

    def damaged(cell: Path) -> None:
        damage(cell)
        manifest = read_json(cell / "manifest.json")
        del manifest["seal"]
        seal_results(cell, manifest)

    damaged.__name__ = f"sealed {damage.__name__}"
    return damaged


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    guests: list[Guest] = [
        (
            f"{series}-{seed}",
            made_up_log({9.0: size + seed}),
            {"series": series, "repeat": seed},
        )
        for series, size in (("v3", 1), ("v4", 15))
        for seed in (1, 2)
    ]
    return made_up_run(tmp_path_factory.mktemp("whole") / "run", guests)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    return copy


def plot(run: Path, *words: str, said: Said) -> tuple[int, list[str], Path]:
    """Plot; return status, lines on stderr, and the picture, which may not exist."""
    file = run.parent / "out.svg"
    file.unlink(missing_ok=True)
    status = main(["plot", str(run), *words, "-o", str(file)])
    captured = said.readouterr()
    assert captured.out == (f"{file}\n" if status == 0 else "")
    assert "Traceback" not in captured.err
    assert file.exists() == (status == 0)
    return status, captured.err.splitlines(), file


@pytest.mark.parametrize("damage", [*LOGS, *map(sealed, LOGS[:-1])], ids=lambda one: one.__name__)
def test_a_cell_with_a_damaged_log_is_one_line(run: Path, damage: Damage, capsys: Said) -> None:
    damage(RunFolder(run).cell(DAMAGED))
    status, lines, _ = plot(run, DAMAGED, said=capsys)
    assert status == 2
    assert DAMAGED in lines[-1] and lines[-1].startswith("memnotify: ")
    assert len(lines) <= 2


@pytest.mark.parametrize("kind", ["", *KINDS])
@pytest.mark.parametrize("damage", [*LOGS, *map(sealed, LOGS[:-1])], ids=lambda one: one.__name__)
def test_the_others_are_drawn_and_the_damaged_one_is_named(
    run: Path, damage: Damage, kind: str, capsys: Said
) -> None:
    damage(RunFolder(run).cell(DAMAGED))
    status, lines, file = plot(run, *(["--kind", kind] if kind else []), said=capsys)
    if status == 0:
        assert "v3" in file.read_text()
    else:
        assert status == 2
    named = len([line for line in lines if DAMAGED in line])
    # A timeline has the first cell of each series, and this is the second.
    assert named == 1 or (named, status, kind in ("", "timeline")) == (0, 0, True), lines


def test_another_cell_takes_the_place_of_one_without_records(run: Path, capsys: Said) -> None:
    sealed(no_records)(RunFolder(run).cell("v4-1"))
    status, lines, _ = plot(run, "--kind", "timeline", said=capsys)
    assert status == 0 and lines[0] == (
        "v4-1 left a log without records, so it is not in the picture"
    )
    assert lines[1].startswith("v4 #2 wakes 17 at once, v3 #1 at most 2")
    sealed(garbage)(RunFolder(run).cell("v4-1"))
    status, lines, _ = plot(run, "v4-1", said=capsys)
    assert status == 2 and "v4-1" in lines[-1]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'{"id": 1}'])
@pytest.mark.parametrize("name", ["manifest.json", VERDICT])
def test_damaged_results(run: Path, name: str, content: bytes, capsys: Said) -> None:
    (RunFolder(run).cell(DAMAGED) / name).write_bytes(content)
    status, lines, _ = plot(run, DAMAGED, said=capsys)
    assert status == 2 and 0 < len(lines) <= 2 and DAMAGED in lines[0]
    status, lines, _ = plot(run, said=capsys)
    assert status == 0 and DAMAGED in lines[0]


def test_a_run_without_cells(run: Path, capsys: Said) -> None:
    shutil.rmtree(run / "cells")
    for words in ((), (DAMAGED,), ("--kind", "herd")):
        status, lines, _ = plot(run, *words, said=capsys)
        assert status == 2 and len(lines) == 1, lines
    (run / "plan.json").write_text("[]")
    status, lines, _ = plot(run, said=capsys)
    assert status == 2 and len(lines) == 1, lines


@pytest.mark.parametrize("content", ["", "{", "null", "{}", '[{"id": 1}]', '[{"id": "../x"}]'])
def test_a_damaged_plan(run: Path, content: str, capsys: Said) -> None:
    (run / "plan.json").write_text(content)
    status, lines, _ = plot(run, said=capsys)
    assert status == 2 and len(lines) == 1 and "plan.json" in lines[0], lines


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
def test_what_is_no_run(make: Callable[[Path], None], tmp_path: Path, capsys: Said) -> None:
    make(tmp_path / "run")
    status, lines, _ = plot(tmp_path / "run", said=capsys)
    assert status == 2 and len(lines) == 1, lines


@pytest.mark.parametrize(
    "inputs", [None, {}, {"scenario": None}, {"scenario": {"steps": [{"op": 99}]}}]
)
def test_a_manifest_of_another_scenario(run: Path, inputs: object, capsys: Said) -> None:
    cell = RunFolder(run).cell(DAMAGED)
    manifest = json.loads((cell / "manifest.json").read_text())
    del manifest["seal"]
    seal_results(cell, {**manifest, "inputs": inputs})
    status, lines, _ = plot(run, DAMAGED, said=capsys)
    assert status == 2 and DAMAGED in lines[-1], lines
