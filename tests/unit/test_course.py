"""The data of a timeline, computed from made-up logs; and how much of it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from memnotify.records.layout import Kind
from memnotify.report.plots.labels import apart, rows, stacked, wrapped
from memnotify.report.plots.thin import raster, thin
from memnotify.results.course import Wakeups, brief, course
from memnotify.scenario import (
    ClientKind,
    Clients,
    Console,
    Dd,
    Group,
    Hog,
    Op,
    Stop,
    Swappiness,
)

from tests.support.drawn import (
    KIB,
    made_up_course,
    made_up_log,
    made_up_manifest,
    made_up_verdict,
    record,
    sample,
)
from tests.support.logs import log_of

S = 10**9


def test_zones_their_gate_and_their_status() -> None:
    found = made_up_course()
    (zone,) = found.zones
    assert zone.name == "DMA32"
    assert zone.free.values[0] == 16
    assert zone.free.t[0] == 0
    assert set(zone.gate.values) == {2.0}  # v4's: twice the high mark of 1 MiB
    # Free memory is 2 MiB at 8.75 s; the first sample at or below it is at 8.8 s.
    assert zone.noticed == pytest.approx(np.array([[8.8, 9.9]]))
    assert zone.low_s == pytest.approx(1.1)
    assert found.gate_s == pytest.approx(8.75, abs=0.01)
    assert found.end_s == pytest.approx(9.9)


def test_a_status_that_ends_is_shaded_until_the_next_sample() -> None:
    made = sample(np.arange(4), free=np.array([900, 500, 500, 900]))
    log = log_of(record(Kind.START, 0, start_ns=10 * S), *made)
    found = course(log, made_up_verdict("c"), made_up_manifest())
    assert found.zones[0].noticed == ((1, 3),)


def test_zones_of_several_nodes_have_names_of_their_own() -> None:
    two = [
        record(Kind.ZONE, s, name=b"Normal", node=node, free=9) for s in (0, 1) for node in (0, 1)
    ]
    log = log_of(record(Kind.START, 0, start_ns=10 * S), *two)
    found = course(log, made_up_verdict("c"), made_up_manifest())
    assert [zone.name for zone in found.zones] == ["Normal of node 0", "Normal of node 1"]


def test_memory_the_balloon_and_rates() -> None:
    lines = made_up_course(point={"memory_mib": 64}).lines
    assert lines["page cache"].values[0] == 8
    assert lines["anonymous"].values[0] == 20
    assert lines["swap in use"].values[0] == 1
    assert lines["balloon target"].values.tolist() == [48, 48]
    assert lines["balloon target"].t.tolist() == pytest.approx([4, 9.9])
    # MemTotal is what it was at first, so the balloon has taken nothing yet.
    assert set(lines["left by the balloon"].values) == {64}
    assert lines["swapped out"].values == pytest.approx(np.full(99, 10), abs=10)
    assert lines["swapped out"].values.mean() == pytest.approx(10, abs=0.2)
    assert set(lines["swapped in"].values) == {0}


def test_what_the_balloon_takes_is_taken_off_all_memory() -> None:
    made = [*sample(0, total=60 * KIB), *sample(1, total=50 * KIB)]
    log = log_of(*made, record(Kind.BALLOON, 0.5, phase=1, step=0, target_kib=54 * KIB))
    found = course(log, made_up_verdict("c"), made_up_manifest())
    assert found.lines["left by the balloon"].values.tolist() == [64, 54]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (ClientKind.POLL, "POLLIN"),
        (ClientKind.RELEASE, "POLLIN"),
        (ClientKind.FASYNC, "SIGIO"),
        (ClientKind.PSI, "PSI"),
        (ClientKind.MEMORY_EVENTS, "memory.events"),
    ],
)
def test_wakeups_have_their_kind_and_their_record(kind: ClientKind, word: str) -> None:
    log = made_up_log({9.0: 3}, kind=kind)
    found = made_up_course({9.0: 3}, kind=kind).wakeups
    assert set(found.kind) == {word}
    assert found.client.tolist() == [0, 1, 2]
    assert found.t == pytest.approx([9, 9.0001, 9.0002])
    for number in found.record:
        assert log.records["kind"][number] == Kind.WAKEUP


def test_batches_clients_and_steps() -> None:
    found = made_up_course({9.0: 10, 9.5: 7})
    assert [batch.wakeups for batch in found.batches] == [10, 7]
    assert (found.greatest, found.woken, found.clients) == (10, 17, 20)
    assert [(step.number, step.text) for step in found.steps] == [
        (0, "20 × poll"),
        (1, "hog 3 MiB/s"),
        (2, "balloon to 48 MiB"),
    ]


def test_steps_in_a_few_words() -> None:
    told = [
        brief(action)
        for action in (
            Clients(kind=ClientKind.PRESSURE_LEVEL, count=2),
            Hog(rate_kib_s=512, ceiling_kib=9),
            Stop(what=Op.CLIENTS),
            Group(version=2, limit_kib=KIB),
            Group(version=1),
            Dd(block_kib=KIB, count=3),
            Swappiness(value=7),
            Console(every_ns=S),
        )
    ]
    assert told == [
        *("2 × pressure_level", "hog 0.5 MiB/s", "stop clients", "group, 1 MiB"),
        *("group, no limit", "dd 3 × 1 MiB", "swappiness 7", "console"),
    ]


def test_findings_are_at_their_time_or_at_the_end() -> None:
    (panic,) = made_up_course(outcome="finding:panic").findings
    assert panic.text == "panic" and panic.t == pytest.approx(9.9)
    kills = [*sample(0), *sample(1, swap_free=0)]
    reclaim = record(Kind.RECLAIM, 2, oom_kill=2)
    log = log_of(*kills, reclaim)
    manifest = made_up_manifest()
    (kill,) = course(log, made_up_verdict("c", "finding:oom-kill"), manifest).findings
    assert (kill.text, kill.t) == ("2 OOM kills", 12)  # without a START, times count from boot
    assert made_up_course().findings == ()


def test_a_manifest_of_somebody_else_is_refused() -> None:
    for inputs in ({}, {"scenario": 7}, {"scenario": {"steps": [{"op": 99}]}}):
        with pytest.raises(ValueError):
            course(made_up_log({}), made_up_verdict("c"), made_up_manifest(inputs=inputs))


def test_a_long_curve_keeps_its_spikes() -> None:
    t = np.arange(290_000) / 100
    values = np.zeros(t.size)
    values[123_456], values[222_222] = 7, -5
    few_t, few = thin(t, values, 1_000)
    assert few.size <= 1_000
    assert (few.max(), few.min()) == (7, -5)
    assert few_t[few.argmax()] == t[123_456]
    assert (few_t[0], few_t[-1]) == (t[0], t[-1])
    assert np.all(np.diff(few_t) > 0)
    short_t, short = thin(t[:1000], values[:1000], 1_000)
    assert (short_t.size, short.size) == (1000, 1000)


def many(clients: int, times: int) -> Wakeups:
    t = np.repeat(np.arange(times, dtype=np.float64), clients)
    numbers = np.tile(np.arange(clients), times)
    kinds = tuple("POLLIN" if client % 2 else "SIGIO" for client in numbers.tolist())
    return Wakeups(t=t, client=numbers, kind=kinds, record=np.arange(t.size))


def test_a_large_crowd_is_drawn_in_few_marks() -> None:
    crowd = many(12_500, 20)
    made = raster(crowd, most=4_000)
    assert made.t.size <= 4_000
    assert int(made.count.sum()) == 250_000
    assert made.clients > 0 and made.seconds > 0
    assert set(made.kind) == {"POLLIN", "SIGIO"}
    first = made.record[made.t.argmin()]
    assert first < 12_500  # a record of the first moment
    few = raster(many(20, 3), most=4_000)
    assert (few.t.size, few.clients, set(few.count.tolist())) == (60, 0, {1})


def test_labels_keep_apart() -> None:
    assert apart([50, 51, 52], height=100) == [50, 62, 74]
    assert apart([99, 98], height=100) == [100, 88]
    assert apart([], height=10) == []
    assert rows([(0, 10), (5, 15), (20, 30), (6, 9)], most=2) == [0, 1, 0, None]
    assert rows([(0, 10), (5, 15)], most=1, first=[1, 0]) == [None, 0]


def crossed(spans: list[tuple[float, float]], lines: list[float]) -> list[int | None]:
    """Return the rows of labels; no label covers another or is crossed by a line."""
    found = stacked(spans, lines, most=4)
    for n, row in enumerate(found):
        for other, above in enumerate(found):
            if n == other or row is None or above is None:
                continue
            (a, b), (c, d) = spans[n], spans[other]
            assert row != above or b <= c or d <= a
            assert not (a < lines[other] < b and above >= row)
    return found


def test_no_line_crosses_a_label() -> None:
    assert crossed([(0, 30), (10, 40), (20, 50), (60, 70)], [0, 10, 20, 60]) == [2, 1, 0, 0]
    # At the right edge, labels stand left of their lines.
    assert crossed([(0, 30), (40, 80), (50, 90)], [0, 80, 90]) == [0, 0, 1]
    assert crossed([(75, 95), (40, 80)], [75, 80]) == [0, None]
    assert crossed([(0, 9.0)] * 6, [0.0] * 6).count(None) == 2
    assert wrapped("a bb ccc", 4) == ["a bb", "ccc"]
    assert wrapped("", 4) == []
