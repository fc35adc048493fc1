"""Which logs of two series are alike: the quick answer is that of the whole comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.check.reaction import FIELDS
from memnotify.records import layout
from memnotify.records.compare import Agreement, compare
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS, RecordLog
from memnotify.records.parquet import read_columns, write_records
from memnotify.results.identical import CellLog, compare_logs, order_of

# Two kinds that the figures need, and one that they do not.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([Kind.POLL, Kind.ZONE, Kind.BOOT]), st.integers(0, 1), st.integers(0, 1)
    ),
    max_size=4,
)


def log_of(rows: list[tuple[Kind, int, int]], lost: int) -> RecordLog:
    records = np.zeros(len(rows), layout.RECORD)
    for row, (kind, time, value) in zip(records, rows, strict=True):
        row["kind"], row["time_ns"], row["value"][1] = kind, time, value
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=lost, torn=0)


@given(mine=ROWS, theirs=ROWS, lost=st.tuples(*[st.sampled_from([0, 0, 0, 1])] * 2))
def test_a_pair_counts_as_the_whole_logs_compare(
    tmp_path_factory: pytest.TempPathFactory,
    mine: list[tuple[Kind, int, int]],
    theirs: list[tuple[Kind, int, int]],
    lost: tuple[int, int],
) -> None:
    logs = [log_of(rows, gone) for rows, gone in zip((mine, theirs), lost, strict=True)]
    cells = []
    for name, log in zip(("one", "other"), logs, strict=True):
        file = tmp_path_factory.mktemp("log") / name
        write_records(log, file)
        order = order_of(read_columns(file, FIELDS).kinds)
        cells.append(CellLog(id=name, file=file, order=order, lacking=bool(log.lost)))
    (found,) = compare_logs({"v3": {1: cells[0]}, "v4": {1: cells[1]}})
    whole = compare(logs[0].records, logs[1].records, VIEWS)
    counts = {"identical": 0, "times": 0, "different": 0, "lost": 0}
    names = {
        Agreement.EXACT: "identical",
        Agreement.TIMES: "times",
        Agreement.DIFFERS: "different",
    }
    counts["lost" if any(lost) else names[whole.agreement]] = 1
    assert {name: getattr(found, name) for name in counts} == counts
    late = whole.agreement == Agreement.TIMES and not any(lost)
    assert found.greatest_ns == (whole.greatest_ns if late else 0)
    assert (found.first is None) == (any(lost) or whole.agreement == Agreement.EXACT)


def test_logs_with_records_in_another_order_are_not_read_again(tmp_path: Path) -> None:
    one, other = (
        CellLog(id=name, file=tmp_path / name, order=name, lacking=True)
        for name in ("one", "other")
    )
    (found,) = compare_logs({"v3": {1: one}, "v4": {1: other}})
    assert (found.lost, found.different) == (1, 0)  # the files are not even there
