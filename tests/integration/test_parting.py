"""Where the cells of two series part, below their range-diff."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.results.parting import parting, partings

from tests.support.compared_runs import made_up_run, ok, record
from tests.support.logs import log_of


def woken(*wakeups: tuple[int, float]) -> RecordLog:
    made = [record(Kind.START, 0, start_ns=10**10)]
    made += [record(Kind.WAKEUP, ms, client, revents=1, result=1) for client, ms in wakeups]
    return log_of(*made)


def told(one: RecordLog, other: RecordLog) -> str:
    return parting(one, other, ("v4", "mine"))


def test_identical_records() -> None:
    assert told(woken((0, 250)), woken((0, 250))) == "the records are identical"


def test_the_same_wakeups_a_little_later_and_in_another_order() -> None:
    one, other = woken((0, 250), (1, 260), (2, 900)), woken((1, 255), (0, 265), (2, 990))
    assert told(one, other) == "the same 3 wakeups, at most 0.1 s apart"
    assert told(one, woken((1, 255), (0, 265))) == (
        "the same 2 wakeups; then v4 wakes client 2 at 0.900 s (record 3), and mine wakes nobody "
        "any more"
    )


def test_the_first_wakeup_that_only_one_has() -> None:
    one = woken((0, 250), (0, 9000))
    assert told(one, woken((0, 250), (0, 3000), (0, 9000))) == (
        "the same 1 wakeup; then v4 wakes client 0 at 9.000 s (record 2), and mine wakes client 0 "
        "at 3.000 s (record 2)"
    )
    # Another client at the same time is another wakeup.
    assert "the same 1 wakeup; then v4 wakes client 0 at 9" in told(one, woken((0, 250), (1, 9000)))
    assert told(one, woken((1, 250))).startswith("no common wakeup: v4 wakes client 0 at 0.250 s")
    silent = woken()
    moved = dataclasses.replace(silent, lost=0, records=log_of(record(Kind.START, 1)).records)
    assert told(silent, moved) == "nobody is woken"


def test_each_setting_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        ok(series, woken=count, clients=clients)
        for series, count in (("v4", 2), ("v6", 3))
        for clients in (3, 5)
    ]
    run = made_up_run(tmp_path / "run", entries)
    found = list(partings(run, "v4", "v6"))
    assert [one.setting for one in found] == ["clients 3", "clients 5"]
    assert "the same 2 wakeups; then v4 wakes nobody any more, and v6 wakes" in found[0].text
    words = ["series", "diff", "v4/6.1", "v6/6.1", "--stat", "--run", str(run)]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines[-2:]] == ["clients 3", "clients 5"]
    assert main([*words[:2], "v3/6.1", *words[3:]]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "has no results of v3/6.1 (there are: v4, v6)" in err


def test_two_states_of_a_branch_are_ambiguous(tmp_path: Path) -> None:
    entries = [ok(name, woken=1) for name in ("v4", "mine@1a2b3c4", "mine@5d6e7f8")]
    run = made_up_run(tmp_path / "run", entries)
    with pytest.raises(InputError, match=r"several states of \./mine: mine@1a2b3c4, mine@5d6e7f8"):
        list(partings(run, "v4", "./mine"))
    (found,) = partings(run, "v4", "mine@1a2b3c4")
    assert found.text == "the records are identical"
