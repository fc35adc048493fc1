"""What a Python program can get wrong with `import memnotify`: one clear line, and nothing done."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import memnotify as mn
import numpy as np
import pandas as pd
import pytest
from memnotify import api

from tests.support.campaigns import Bench


@pytest.fixture
def cell(run: mn.Run) -> mn.CellResults:
    return run.cell("v4", clients=3)


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was started")

    monkeypatch.setattr(api, "Store", fail)
    monkeypatch.setattr(api, "choose_base", fail)


def refused_here(file: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "coroutine was never awaited"
        with pytest.raises(mn.InputError) as caught:
            mn.run_campaign(file, quiet=True)
    return str(caught.value)


HINT = r"(call it in the main thread, outside a running event loop, or use memnotify run)"


def test_no_campaign_in_a_thread(finished: Bench, nothing_starts: None) -> None:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(refused_here(finished.file)))
    thread.start()
    thread.join()
    assert said == [f"run_campaign() was called in a thread {HINT}"]


def test_no_campaign_in_a_running_event_loop(finished: Bench, nothing_starts: None) -> None:
    async def main() -> str:
        return refused_here(finished.file)

    said = asyncio.run(main())
    assert said == f"run_campaign() was called in a running event loop, as in a notebook {HINT}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(({"jobs": jobs}, f"jobs must be .* 1 or more, .*not {jobs!r}") for jobs in (0, -1, 1.5)),
        ({"jobs": "x"}, "jobs must be .*, not 'x'"),
        ({"jobs": True}, "jobs must be .*, not True"),
        ({"accel": "x"}, "^accel must be 'auto', 'tcg' or 'kvm', not 'x'$"),
        ({"accel": None}, "accel must be"),
        ({"clock": "x"}, "^clock must be 'virtual' or 'real', not 'x'$"),
        ({"source": ""}, "^source: the name is empty$"),
        ({"source": 5}, "^source must be a name or a Path, not 5$"),
        ({"cc": ""}, "^cc: the name is empty$"),
        ({"cc": "\0"}, r"^cc: '\\x00' is not a name: it has a null character$"),
        ({"path": ""}, "^path: the name is empty$"),
        ({"path": 5}, "^path must be a name or a Path, not 5$"),
        ({"again": "no"}, "^again must be True or False, not 'no'$"),
        ({"cold": 1}, "^cold must be"),
        ({"quiet": None}, "^quiet must be"),
    ],
)
def test_options_are_checked_before_anything_starts(
    finished: Bench, nothing_starts: None, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(mn.InputError, match=said):
        mn.run_campaign(finished.file, **options)


def test_what_cannot_be_combined_is_refused_before_a_base_is_chosen(
    finished: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "Store", lambda: finished.store)
    monkeypatch.setattr(api, "choose_base", lambda *_, **__: pytest.fail("a base was chosen"))
    with pytest.raises(mn.InputError, match="kvm does not support virtual time"):
        mn.run_campaign(finished.file, accel="kvm")


def test_results_cannot_go_into_a_loop_of_links(
    finished: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "Store", lambda: finished.store)
    monkeypatch.setattr(api, "choose_base", lambda *_, **__: "6.1")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(mn.InputError, match="a loop of symbolic links"):
        mn.run_campaign(finished.file, tmp_path / "loop", quiet=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "the name is empty"),
        (None, "must be a name or a Path, not None"),
        (5, "must be a name or a Path, not 5"),
        (b"x", "must be a name or a Path, not b'x'"),
        (["x"], r"must be a name or a Path, not \['x'\]"),
        ("a\0b", r"'a\\x00b' is not a name: it has a null character"),
        ("a" * 300, "cannot be read: .*name too long"),
    ],
)
def test_names_that_are_none(name: Any, said: str) -> None:
    for opened in (mn.open_run, mn.Run, mn.load_campaign):
        with pytest.raises(mn.InputError, match=said):
            opened(name)
    if not isinstance(name, str) or len(name) < 300:
        with pytest.raises(mn.InputError, match=f"^cell.*{said}"):
            mn.CellResults(name)


def test_a_class_takes_a_string_like_a_path(run: mn.Run) -> None:
    assert len(mn.Run(str(run.path))) == len(run)
    for cell in run:
        assert mn.CellResults(str(cell.folder)) == cell  # type: ignore[arg-type]
        assert mn.CellResults(str(cell.folder)).outcome == "ok"  # type: ignore[arg-type]


def test_a_cell_without_results_can_be_shown(tmp_path: Path) -> None:
    lost = mn.CellResults(tmp_path / "lost")
    assert repr(lost) == f"<no results of a cell in {tmp_path / 'lost'}>"
    with pytest.raises(mn.InputError):
        _ = lost.outcome


@pytest.mark.parametrize(
    ("which", "axes", "said"),
    [
        ("v4", {"series": "v4"}, "^series is given twice: 'v4' and 'v4'$"),
        ("v4", {"series": "none"}, "^series is given twice: 'v4' and 'none'$"),
        (None, {"clients": [3]}, r"^clients must be a whole number, not \[3\]$"),
        ("v4", {"clients": {}}, "^clients must be a whole number, not {}$"),
        ("v4", {"clients": True}, "^clients must be a whole number, not True$"),
        ("v4", {"clients": "3"}, "^clients must be a whole number, not '3'$"),
        ("v4", {"clients": None}, "^clients must be a whole number, not None$"),
        (None, {"series": 4}, "^series must be a string, not 4$"),
        (42, {}, "by its series, its id or its name, a string, not 42$"),
        (b"v4", {}, "a string, not b'v4'$"),
        (Path("v4"), {}, r"a string, not PosixPath\('v4'\)$"),
        ("", {}, "^the name of the cell is empty$"),
    ],
)
def test_a_cell_that_cannot_be_meant(
    run: mn.Run, which: Any, axes: dict[str, Any], said: str
) -> None:
    with pytest.raises(mn.InputError, match=said):
        run.cell(which, **axes)


def test_values_from_a_frame_find_a_cell(run: mn.Run) -> None:
    for _, row in run.cells.iterrows():
        assert run.cell(row.series, clients=row.clients).name == row["name"]
    assert run.cell("v4", clients=np.int64(3)) == run.cell("v4", clients=3.0)  # type: ignore[arg-type]
    named = run.cell("v4", clients=3).name
    assert run.cell(named, series="v4").name == named


NOT_RECORDS: dict[str, Callable[[mn.Run, mn.CellResults], Any]] = {
    "nothing": lambda run, cell: None,
    "a list": lambda run, cell: [],
    "numbers": lambda run, cell: [1, 2],
    "a word": lambda run, cell: "x",
    "an array": lambda run, cell: np.array([True]),
    "the timeline": lambda run, cell: cell.timeline,
    "the cells": lambda run, cell: run.cells,
    "a column": lambda run, cell: cell.zones.free,
    "a column of words": lambda run, cell: cell.zones.name,
    "a condition on the timeline": lambda run, cell: cell.timeline.t > 0,
    "a condition on the cells": lambda run, cell: run.cells.clients > 0,
    "a frame with another record": lambda run, cell: pd.DataFrame({"record": [0.5]}),
    "an index of words": lambda run, cell: cell.zones.set_index("name").rename_axis("record"),
    "an Arrow column": lambda run, cell: cell_table(cell)["free"],
    "an Arrow table of something else": lambda run, cell: cell_table(cell).drop(["record"]),
}


def cell_table(cell: mn.CellResults) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(cell.zones.reset_index())


@pytest.mark.parametrize("what", NOT_RECORDS)
def test_what_has_no_records_cannot_be_counted(
    run: mn.Run, cell: mn.CellResults, what: str
) -> None:
    with pytest.raises(TypeError, match=r"^which\(\) takes a frame of records, or a condition"):
        cell.which(NOT_RECORDS[what](run, cell))


def test_records_of_another_cell_cannot_be_counted(cell: mn.CellResults) -> None:
    other = pd.DataFrame(index=pd.Index([0, 10**6], name="record"))
    with pytest.raises(mn.InputError, match="has no record 1000000; the rows are of another cell"):
        cell.which(other)


def test_all_forms_of_records_are_counted(cell: mn.CellResults) -> None:
    woken = list(cell.which(cell.wakeups))
    assert len(woken) == 3
    assert list(cell.which(cell.wakeups.reset_index())) == woken
    assert list(cell.which(cell.wakeups.t > -100)) == woken
    assert list(cell.which(cell.wakeups.client >= 0)) == woken  # of type "boolean"
    assert list(cell.which((cell.wakeups.t > -100).astype(object))) == woken
    assert not cell.which(cell.wakeups.client.isna())
    assert not cell.which(cell.wakeups[:0])
    assert not cell.which(cell.wakeups[:0].t > 0)
    assert not cell.which(cell.kind("RELEASE").given_kib > 0)  # there is none
    unknown = pd.Series([None] * 3, index=cell.wakeups.index, dtype="boolean")
    assert not cell.which(unknown)


@pytest.mark.parametrize("kind", [["EXIT"], None, "exit", {}])
def test_no_kind_of_record(cell: mn.CellResults, kind: Any) -> None:
    with pytest.raises(ValueError, match="is not a record kind; known kinds: BOOT, "):
        cell.kind(kind)


@pytest.mark.parametrize("call", [mn.open_run, mn.load_campaign])
def test_an_error_is_one_line_whatever_a_name_has(call: Callable[[str], Any]) -> None:
    with pytest.raises(mn.InputError) as caught:
        call("a\nmemnotify: all is well\x1b[2J")
    assert str(caught.value).startswith(r"a\nmemnotify: all is well\x1b[2J")
    assert str(caught.value).isprintable()
