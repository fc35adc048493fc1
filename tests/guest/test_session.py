"""Real guests that run a scenario to its end, and what their logs have."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from memnotify.guest import mailbox, session, watchdog
from memnotify.guest.privileges import qemu_user
from memnotify.guest.view import Glimpse, View
from memnotify.guest.watchdog import Limits
from memnotify.model import Finding
from memnotify.records.clients import notified
from memnotify.records.layout import Kind
from memnotify.report.progress import Ticker
from memnotify.scenario import (
    ClientKind,
    FileCache,
    Hog,
    Op,
    Scenario,
    Step,
    Stop,
)

from tests.support.bases import modern
from tests.support.sessions import (
    MIB,
    SECOND,
    Find,
    Runner,
    balloon,
    clients,
    hog,
    make_cell,
    qemus,
)

pytestmark = pytest.mark.guest


def test_it_does_not_matter_when_a_guest_is_stopped_that_ends_its_processes(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(clients(100))
    # The log ends so long before the scenario that the guest is stopped in its teardown, or has
    # finished it before anybody looks.
    early = Limits(teardown_guest_seconds=-0.999)
    logs, ended = [], []
    for period in (0.001, 10.0):
        monkeypatch.setattr(watchdog, "_PERIOD_SECONDS", period)
        result, log = run(cell, limits=early)
        assert result.outcome.ok
        logs.append((run.folder / "records.parquet").read_bytes())
        ended.append(log.end_ns)
    whole = run(cell)[1]
    assert logs[0] == logs[1]
    assert ended[0] < whole.end_ns - 0.9 * SECOND
    kept = whole.records[: len(log)]
    assert kept.tobytes() == log.records.tobytes()


def test_the_guest_refuses_a_step_at_the_very_end_as_the_host_does(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(balloon(at=3, mib=60))

    def encode(scenario: Scenario) -> bytes:
        """Make the scenario end at its step, which no encoder does by itself."""
        data = bytearray(mailbox.encode_scenario(scenario))
        (header,) = np.frombuffer(data, mailbox.SCENARIO_HEADER, 1)
        header["duration_ns"] = 3 * SECOND
        return bytes(header.tobytes()) + bytes(data[mailbox.SCENARIO_HEADER.itemsize :])

    monkeypatch.setattr(session, "encode_scenario", encode)
    outcome = run(cell)[0].outcome
    assert outcome.finding is Finding.AGENT
    assert "order of steps" in outcome.detail


def test_a_squeezed_guest_gives_its_whole_log(run: Runner) -> None:
    stages: list[str] = []
    seen: dict[str, str] = {}

    def on_stage(stage: str) -> None:
        stages.append(stage)
        if stage == "run":
            (pid,) = qemus()
            text = Path(f"/proc/{pid}/status").read_text()
            for line in text.splitlines():
                name, value = line.split(":\t", 1)
                seen[name] = value

    cell = make_cell(clients(3), balloon(at=1, mib=56), balloon(at=3, mib=64), machine="pc-swap")
    result, log = run(cell, on_stage=on_stage)
    assert result.outcome.ok, result.outcome
    account = qemu_user().account
    uid = os.geteuid() if account is None else account.pw_uid
    assert seen["Uid"].split() == [str(uid)] * 4
    assert (result.qemu_uid, seen["NoNewPrivs"], seen["Seccomp"]) == (uid, "1", "2")
    assert account is None or (seen["Groups"].strip(), int(seen["CapEff"], 16)) == ("", 0)
    assert stages == ["boot", "run", "balloon 56.0 MiB", "run", "balloon 64.0 MiB", "run"]
    assert result.guest_ns == log.end_ns >= 7 * SECOND
    assert len(log.kind(Kind.CLIENT)) == 3
    assert log.kind(Kind.BOOT)["swap_kib"][0] > 120 * MIB
    assert log.torn == 0
    assert [move.target_kib for move in result.balloon] == [56 * MIB, 64 * MIB]
    for move in result.balloon:
        assert move.actual_kib == move.target_kib
        assert move.settled_ns is not None and move.settled_ns > move.requested_ns
        assert move.query_seconds is not None and 0 < move.query_seconds < 60
    # The guest's view of the balloon matches what the host did.
    totals = log.kind(Kind.MEMINFO)["total"]
    assert totals.max() - totals.min() == 8 * MIB
    assert result.versions["kernel"].startswith(f"{modern()}.")
    assert result.qemu_cpu_seconds > 0
    transcript = [json.loads(line) for line in (run.folder / "qmp.jsonl").read_text().splitlines()]
    assert {"in", "out"} == {entry["direction"] for entry in transcript}
    assert all(entry["seconds"] >= 0 for entry in transcript)


def test_a_running_guest_can_be_watched(run: Runner, kernel: Find) -> None:
    run.files = dataclasses.replace(run.files, kernel=kernel("v4"))
    cell = make_cell(
        clients(5),
        Step(at_ns=SECOND, action=Hog(rate_kib_s=3 * MIB, ceiling_kib=140 * MIB)),
        balloon(at=5, mib=54),
        machine="pc-swap",
        start_s=10,  # before that, v4 wakes nobody
        duration_s=28,
    )
    views: list[View] = []
    seen: list[Glimpse] = []

    def look() -> None:
        seen.extend(found for view in views if (found := view.look()) is not None)

    ticker = Ticker(look, seconds=0.02)
    ticker.start()
    try:
        result, log = run(cell, on_view=views.append)
    finally:
        ticker.stop()
    assert result.outcome.ok, result.outcome
    (view,) = views
    assert view.look() is None
    assert len(seen) > 10
    for earlier, later in itertools.pairwise(seen):
        assert earlier.guest_s <= later.guest_s <= later.of_s == 28
        assert earlier.wakeups <= later.wakeups
    assert seen[0].guest_s == 0 and seen[-1].guest_s > 20
    # Nobody is woken in the last moments, so nothing can have been missed.
    assert seen[-1].wakeups == len(notified(log)) > 0
    assert {finding for found in seen for finding in found.findings} == set()


def test_clients_that_give_back_or_leave_and_what_presses_and_is_stopped(
    run: Runner, kernel: Find
) -> None:
    run.files = dataclasses.replace(run.files, kernel=kernel("v4"))
    cell = make_cell(
        clients(3, ClientKind.RELEASE, cache_kib=1024, give_back_kib=256),
        clients(2, ClientKind.EXIT),
        Step(at_ns=SECOND, action=Hog(rate_kib_s=3 * MIB, ceiling_kib=140 * MIB)),
        Step(at_ns=SECOND, action=FileCache(rate_kib_s=MIB, total_kib=4 * MIB)),
        balloon(at=5, mib=54),
        Step(at_ns=26 * SECOND, action=Stop(what=Op.HOG)),
        machine="pc-swap-disk",
        start_s=10,  # before that, v4 wakes nobody
        duration_s=28,
    )
    result, log = run(cell)
    assert result.outcome.ok, result.outcome
    kinds, who = log.records["kind"], log.records["client"]
    released, exits = log.kind(Kind.RELEASE), log.kind(Kind.EXIT)

    for client in range(3):
        mine = kinds[(who == client) & np.isin(kinds, (Kind.WAKEUP, Kind.RELEASE))]
        gifts = released[released["client"] == client]
        assert len(gifts) >= 2
        assert mine.tolist() == [Kind.WAKEUP, Kind.RELEASE] * len(gifts)
        assert set(gifts["given_kib"]) == {256}
        assert gifts["left_kib"].tolist() == [1024 - 256 * (n + 1) for n in range(len(gifts))]

    for client in (3, 4):
        assert np.count_nonzero((who == client) & (kinds == Kind.WAKEUP)) == 1
        (left,) = exits[exits["client"] == client]
        assert (left["code"], left["signal"], left["sent_by_agent"]) == (0, 0, 0)

    read = log.kind(Kind.FILECACHE)
    assert set(read["errno"]) == {0}
    assert 0 < read["read_kib"][0] < read["read_kib"][-1] == 4 * MIB
    (reader,) = exits[exits["op"] == Op.FILECACHE]
    assert (reader["code"], reader["signal"]) == (0, 0)

    (hog,) = exits[exits["op"] == Op.HOG]
    assert (hog["signal"], hog["sent_by_agent"]) == (signal.SIGKILL, 1)
    assert hog["time_ns"] >= (10 + 26) * SECOND
    assert not log.kind(Kind.RECLAIM)["oom_kill"].any()


def test_a_log_that_overflows_says_so(run: Runner) -> None:
    result, log = run(make_cell(log_records=50))
    assert result.outcome.ok, result.outcome
    assert len(log) == 50
    assert result.lost_records > 100
    assert log.torn == 0


@pytest.mark.parametrize("log_records", [5_000, 200_000, 2_000_000, 5_000_000])
def test_slram_swaps_to_its_own_memory_whatever_the_size_of_the_log(
    run: Runner, log_records: int
) -> None:
    cell = make_cell(hog(mib=80), machine="pc-swap", log_records=log_records)
    result, log = run(cell)
    assert result.outcome.ok, result.outcome
    (boot,) = log.kind(Kind.BOOT)
    assert boot["swap_kib"] == 128 * MIB - 4
    assert log.kind(Kind.RECLAIM)["pswpout"][-1] > 1000
    assert log.torn == 0
