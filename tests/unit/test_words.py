"""The words of figures in a report: each figure once, and its unit once."""

from __future__ import annotations

from memnotify.check.reaction import UNITS
from memnotify.report.words import all_words, batches_in_words, figures_of, heading, words

from tests.support.rows import row

BATCHES = [
    {"wakeups": 100, "after_ms": None},
    {"wakeups": 100, "after_ms": 2140.2},
    {"wakeups": 7, "after_ms": 12345.0},
    {"wakeups": 9, "after_ms": 1.0},
]


def test_each_figure_has_one_name_and_one_unit() -> None:
    figures = {
        **row("cell"),
        "max_batch": 100,
        "batches": BATCHES,
        "wakeups_each": {"least": 2, "most": 3, "nearest_ms": 10003.5},
        "status": {"rises": 7, "stuck_s": 0.0, "rises_apart_ms": None},
        "gates": {"DMA32": 710},
    }
    found = list(figures_of(figures, {**dict.fromkeys(UNITS), "batch_max": 100}))
    named = [title for _, title, _, _ in found]
    assert len(set(named)) == len(named)
    shown = {title: (unit, value) for _, title, unit, value in found}
    assert shown["max batch"] == ("wakeups", 100) and "batch max" not in shown
    assert shown["over freed"] == ("MiB", None)
    assert shown["gate of zone DMA32"] == ("pages", 710)
    assert shown["wakeups of one client, nearest"] == ("ms", 10003.5)
    assert shown["status, stuck"] == ("s", 0.0)
    assert not {"series", "id", "outcome", "memory, MiB"} & set(shown)


def test_a_heading_has_its_unit_once() -> None:
    assert heading("batch_max") == heading("max_batch") == "max batch, wakeups"
    assert heading("over_freed_mib") == "over freed, MiB"
    assert heading("wakeups") == "wakeups" and heading("missed_clients") == "missed clients"
    assert heading("memory_mib") == "memory, MiB" and words("first_wakeup_ms")[1] == "ms"
    assert heading("swapped_before_first") == "swapped out before first, pages"
    assert all("_" not in text for text in all_words().values())


def test_batches_are_told_as_in_the_table_of_a_run() -> None:
    assert batches_in_words(BATCHES, 3) == "100 +2.14 100 +12.3 7 …"
    assert batches_in_words([]) == ""
