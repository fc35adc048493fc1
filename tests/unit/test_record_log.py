"""What every reader asks of a log: kinds, times, CPUs, zones and their gates, who was notified."""

from __future__ import annotations

import numpy as np
import pytest
from memnotify.check.zone_status import gates
from memnotify.records.clients import notified, of_mem_notify
from memnotify.records.exits import failed_exits, killed_exits
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog, indexes
from memnotify.records.zones import above_gate, each_zone, gate_of, zone_numbers
from memnotify.scenario import ClientKind

from tests.support.logs import log_of, rows

S = 10**9


def test_an_empty_log() -> None:
    log = log_of()
    assert (len(log), log.start_ns, log.end_ns, log.cpus) == (0, 0, 0, 1)
    assert not notified(log).size
    assert not list(each_zone(log.kind(Kind.ZONE)))
    assert gates(log) == {}


def test_when_it_started_and_ended() -> None:
    log = log_of(
        rows(Kind.BOOT, S),
        rows(Kind.START, 9 * S, asked_ns=8 * S, start_ns=10 * S),
        rows(Kind.START, 20 * S, start_ns=30 * S),  # a guest that reports it twice
        rows(Kind.END, 15 * S),
    )
    assert (log.start_ns, log.end_ns) == (10 * S, 20 * S)
    assert log_of(rows(Kind.START, 0, start_ns=2**64 - 1)).start_ns == -1


@pytest.mark.parametrize(("booted", "writer", "cpus"), [(4, 1, 4), (1, 2, 3), (0, 0, 1)])
def test_a_guest_has_the_cpus_that_it_counts_and_those_that_write(
    booted: int, writer: int, cpus: int
) -> None:
    log = log_of(rows(Kind.BOOT, S, cpus=booted), rows(Kind.END, S, cpu=writer))
    assert log.cpus == cpus


def test_the_records_of_a_kind_are_read_and_not_written() -> None:
    log = log_of(rows(Kind.POLL, S, client=3, polls=7), rows(Kind.END, 2 * S))
    polls = log.kind(Kind.POLL)
    assert (polls["client"].tolist(), polls["polls"].tolist()) == ([3], [7])
    assert log.kind(Kind.POLL) is polls
    with pytest.raises(ValueError, match="read-only"):
        polls["polls"] = 8


def test_some_of_its_records() -> None:
    log = RecordLog(log_of(rows(Kind.POLL, [1, 2, 3], client=[7, 8, 9])).records, lost=4, torn=5)
    some = log.only(np.array([True, False, True]))
    assert some.kind(Kind.POLL)["client"].tolist() == [7, 9]
    assert indexes(some.records).tolist() == [0, 2]  # they keep their numbers
    assert (some.lost, some.torn) == (4, 5)


def zones() -> RecordLog:
    """Return two samples of four zones on two nodes, with the same names on both."""
    names, nodes = [b"Normal", b"DMA", b"DMA", b"Normal"], [0, 0, 1, 1]
    return log_of(
        rows(
            Kind.ZONE, [S] * 4, name=names, node=nodes, free=[90, 80, 70, 60], high=[20, 30, 40, 50]
        ),
        rows(Kind.ZONE, [2 * S] * 4, name=names, node=nodes, free=100, high=60, reserve=3),
    )


def test_a_zone_is_its_name_on_its_node() -> None:
    found = zones().kind(Kind.ZONE)
    assert zone_numbers(found).tolist() == [1, 0, 2, 3] * 2
    each = [found[of_zone] for of_zone in each_zone(found)]
    assert [(rows["node"][0], rows["name"][0]) for rows in each] == [
        (0, b"DMA"),
        (0, b"Normal"),
        (1, b"DMA"),
        (1, b"Normal"),
    ]
    assert [rows["free"].tolist() for rows in each] == [[80, 100], [90, 100], [70, 100], [60, 100]]


def test_the_gate_is_twice_what_is_kept() -> None:
    found = zones().kind(Kind.ZONE)
    assert gate_of(found).tolist() == [40, 60, 80, 100, 126, 126, 126, 126]
    assert above_gate(found).tolist() == [50, 20, -10, -40, -26, -26, -26, -26]
    assert gate_of(found, factor=1, mark="low").tolist() == [0] * 4 + [3] * 4


def test_the_gates_of_the_first_sample_are_told_and_of_one_name_the_last_node_s() -> None:
    assert gates(zones()) == {"Normal": 100, "DMA": 80}


def test_who_was_told_is_told_by_time() -> None:
    log = log_of(
        rows(Kind.WAKEUP, [3, 1, 2], client=[0, 1, 2], revents=[1, 1, 0], result=1),
        rows(Kind.WAKEUP, 1, client=3, revents=2, result=1),
    )
    assert notified(log)["client"].tolist() == [1, 3, 0]


def test_who_was_told_at_one_time_is_told_as_claimed() -> None:
    count = 40  # a sort that is not stable mixes up so many
    log = log_of(rows(Kind.WAKEUP, [5] * count, client=np.arange(count), revents=1, result=1))
    assert notified(log)["client"].tolist() == list(range(count))


def test_what_watches_something_else_is_left_out() -> None:
    kinds = [ClientKind.POLL, ClientKind.PSI, ClientKind.MEMORY_EVENTS]
    per_client = (Kind.POLL, Kind.WAKEUP, Kind.READ, Kind.EXIT)
    log = log_of(
        rows(Kind.CLIENT, 1, client=1, client_kind=ClientKind.POLL),  # 1 twice: first as another
        rows(Kind.CLIENT, [1, 1, 1], client=[0, 1, 2], client_kind=kinds),
        *(rows(kind, [2, 2, 2], client=[0, 1, 2]) for kind in per_client),
        rows(Kind.RELEASE, 3, client=1),
        rows(Kind.HOG, 3),
        rows(Kind.EXIT, 4),
    )
    left = of_mem_notify(log)
    assert left.kind(Kind.CLIENT)["client"].tolist() == [1, 0]
    for kind in per_client[:-1]:
        assert left.kind(kind)["client"].tolist() == [0]
    assert len(left.kind(Kind.EXIT)) == 2
    assert [len(left.kind(kind)) for kind in (Kind.RELEASE, Kind.HOG)] == [1, 1]
    assert of_mem_notify(left) is left


def test_how_processes_ended() -> None:
    log = log_of(
        rows(Kind.EXIT, [1, 2], client=[0, 1], signal=9, sent_by_agent=[0, 1]),
        rows(Kind.EXIT, [3, 4], client=[2, 3], code=[12, 0]),
        rows(Kind.EXIT, [5, 6], client=[4, 5], signal=11, sent_by_agent=[0, 1]),
    )
    assert killed_exits(log)["client"].tolist() == [0]
    assert failed_exits(log)["client"].tolist() == [2, 4]
