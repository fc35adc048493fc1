"""What `show` prints of a run, and its progress where there is no terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.model import Cell, CellResult
from memnotify.records.parquet import write_records

from tests.support.campaigns import (
    Bench,
    Guests,
    finds,
    made_up_log,
)


def test_the_rows_of_show(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.run(Guests())
    assert main(["show", str(folder.path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["series"], row["clients"]) for row in rows] == [
        ("none", 1),
        ("none", 3),
        ("v4", 1),
        ("v4", 3),
    ]
    asked = (
        "id base series arch machine memory_mib scenario clients repeat outcome wakeups "
        "clients_woken max_batch first_wakeup_ms swapped_out_before_first oom_kills lost_records "
        "guest_seconds wall_seconds repeatability"
    )
    assert set(asked.split()) <= set(rows[0])
    assert (rows[0]["wakeups"], rows[0]["first_wakeup_ms"]) == (0, None)
    assert (rows[3]["wakeups"], rows[3]["max_batch"], rows[3]["first_wakeup_ms"]) == (3, 3, 500.0)
    assert rows[3]["swapped_out_before_first"] == 7


def test_the_table_is_whole_in_a_pipe(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.run(Guests(finds))
    assert main(["show", str(folder.path)]) == 0
    text = capsys.readouterr().out
    rows = folder.verdicts()
    assert len(rows) == 4
    for row in rows:
        assert row.id in text
    assert "finding:panic" in text
    assert "\\x1b[31mpanic" in text
    assert "\x1b" not in text
    assert "4 cells: 3 ok, 1 finding, 0 infrastructure failures" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 120


def test_a_timeline(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.run(Guests())
    last = folder.plan()[-1]
    for wanted in (last.id, last.id[:8], last.name):
        assert main(["show", str(folder.path), wanted, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["id"] == last.id
    events = {event["event"]: event for event in shown["timeline"]}
    assert events["gate"]["t"] == 3.0
    assert (events["gate"]["least_free_pages"], events["gate"]["gate_pages"]) == (150, 200)
    assert (events["wakeups"]["t"], events["wakeups"]["wakeups"]) == (3.5, 3)
    assert events["balloon"]["move"]["query_seconds"] == 0.25
    assert (events["swap"]["t"], events["swap"]["count"]) == (3.0, 7)
    times = [event["t"] for event in shown["timeline"]]
    assert times == sorted(times)

    assert main(["show", str(folder.path), last.name]) == 0
    text = capsys.readouterr().out
    assert "/dev/mem_notify exists: 1:13, no mode announced" in text
    assert "3 wakeups of 3 clients" in text
    # One sample lasts no time.
    assert re.search(r"200 free pages: 1 sample, lowest 150\n", text)
    assert re.search(r"7 pages swapped out\n", text)
    assert "balloon to 48 MiB reached after 1.000 s of guest time, 0.250 s of wall time" in text

    assert main(["show", str(folder.path), folder.plan()[-2].name]) == 0
    assert "/dev/mem_notify exists: 1:13, mode 0444" in capsys.readouterr().out


def test_text_of_a_guest_cannot_steer_the_terminal(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    async def evil(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        result = await Guests()(cell, folder=folder, **rest)
        write_records(made_up_log(cell, b"\x1b]0;x\x07"), folder / "records.parquet")
        return result

    folder = bench.run(evil)
    assert main(["show", str(folder.path), folder.plan()[-1].id]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\\x1b]0;x" in text


def test_lines_where_there_is_no_terminal(bench: Bench) -> None:
    bench.run(Guests())
    lines = bench.output.getvalue().splitlines()
    assert all(line[2] == ":" and line[5] == ":" for line in lines)
    assert any(line.endswith("6.1-v4-x86_64-pc-swap-64M-squeeze-3c-r1: boot") for line in lines)
    assert lines[-1].split()[1] == "[4/4]"


def test_a_cell_that_is_not_there(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.run(Guests())
    assert main(["show", str(folder.path), "zz"]) == 2
    assert "no cell" in capsys.readouterr().err
