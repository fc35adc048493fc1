"""The Python mirror of record.h, and the scenarios that go into the mailbox."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.errors import InputError
from memnotify.guest.mailbox import encode_scenario
from memnotify.model import Op, Scenario, Step
from memnotify.records import layout

SECOND = 1_000_000_000


def scenario(*steps: Step) -> Scenario:
    return Scenario(
        name="trial",
        start_ns=5 * SECOND,
        duration_ns=40 * SECOND,
        sample_ns=SECOND // 10,
        steps=steps,
    )


def test_a_scenario_comes_back_from_its_bytes() -> None:
    steps = (
        Step(at_ns=0, op=Op.CLIENTS, args=(2, 200, 1024, 64, 1_000_000)),
        Step(at_ns=SECOND, op=Op.BALLOON, args=(49_152, 3 * SECOND)),
        Step(at_ns=SECOND, op=Op.HOG, args=(4096, 2**31), place=2),
        Step(at_ns=SECOND, op=Op.HOG, args=(4096, 8192, 2)),
        Step(at_ns=SECOND, op=Op.CLIENTS, args=(6, 1, 4096, 64, 0, 0, 40, 5, 7, 6, 0, 400)),
        Step(at_ns=SECOND, op=Op.CONSOLE, args=(SECOND,)),
        Step(at_ns=SECOND, op=Op.DD, args=(3200, 10)),
        Step(at_ns=2 * SECOND, op=Op.STOP, args=(Op.CONSOLE,)),
    )
    data = encode_scenario(scenario(*steps))
    header = np.frombuffer(data, layout.SCENARIO_HEADER, 1)[0]
    rows = np.frombuffer(data, layout.STEP, offset=layout.SCENARIO_HEADER.itemsize)
    assert header["magic"] == layout.MAGIC
    assert [int(header[name]) for name in ("start_ns", "duration_ns", "sample_ns")] == [
        5 * SECOND,
        40 * SECOND,
        SECOND // 10,
    ]
    assert header["nr_steps"] == len(rows) == len(steps)
    for row, step in zip(rows, steps, strict=True):
        assert (row["at_ns"], row["op"], row["place"]) == (step.at_ns, step.op, step.place)
        assert row["arg"].tolist() == [*step.args, *[0] * (layout.ARGS - len(step.args))]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step(at_ns=0, op=Op.CLIENTS, args=(99, 1, 0, 0, 0)), "99 is no kind of client"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(1, 0, 0, 0, 0)), "0 clients"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(1, 17_000, 0, 0, 0)), "17000 clients"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(2, 1, 64, 6, 0)), "whole 4 KiB pages"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(2, 1, 64, 68, 0)), "68 are given back"),
        (Step(at_ns=0, op=Op.BALLOON, args=(4097, SECOND)), "4097 KiB"),
        (Step(at_ns=0, op=Op.HOG, args=(0, 4096)), "rate and size"),
        (Step(at_ns=0, op=Op.HOG, args=(1, 2**32)), "rate and size"),
        (Step(at_ns=0, op=Op.FILECACHE, args=(1, 0)), "rate and size"),
        (Step(at_ns=0, op=Op.FILECACHE, args=(1, 4, 2, 0)), "no kind of file"),
        (Step(at_ns=0, op=Op.FILECACHE, args=(1, 4, 0)), "3 arguments, 2 or 4 expected"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(5, 1, 4, 0, 0)), "a rate or steps"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(1, 1, 0, 0, 0, 8)), "a rate is what"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(6, 1, 4, 4, 0, 7 << 32)), "rate and size"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(6, 1, 4, 4, 0, 1, 4, 1)), "a rate or steps"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(6, 1, 4, 4, 0, 0, 4)), "a pause comes after"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(6, 1, 4, 4, 0, 0, 6, 1)), "whole 4 KiB pages"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(1, 1, 0, 0, 0, 0, 0, 0, 0, 1)), "no habit 1"),
        (Step(at_ns=0, op=Op.CLIENTS, args=(3, 1, 0, 0, 0, 0, 0, 0, 0, 4)), "no habit 4"),
        (
            Step(at_ns=0, op=Op.CLIENTS, args=(3, 1, 0, 0, 0, 0, 0, 0, 0, 0, layout.MAX_READ + 1)),
            "bytes to read",
        ),
        (Step(at_ns=0, op=Op.CLIENTS, args=(3, 1, 0, 0)), "4 arguments, 5 to 12 expected"),
        (Step(at_ns=0, op=Op.CONSOLE, args=(0,)), "sleep between rounds"),
        (Step(at_ns=0, op=Op.DD, args=(4, 0)), "rate and size"),
        (Step(at_ns=0, op=Op.STOP, args=(Op.BALLOON,)), "has processes"),
        (Step(at_ns=0, op=Op.HOG, args=(1, 1), place=-1), "-1 is no place"),
        (Step(at_ns=0, op=Op.HOG, args=(1,)), "1 arguments, 2 or 3 expected"),
        (
            Step(at_ns=0, op=Op.HOG, args=(1, 4, layout.MAX_NODES + 1)),
            f"no node {layout.MAX_NODES}",
        ),
        (Step(at_ns=0, op=Op.BALLOON, args=(4096, 2**64)), "64 bits"),
    ],
)
def test_a_wrong_step_is_refused_by_number_and_reason(step: Step, words: str) -> None:
    good = Step(at_ns=0, op=Op.BALLOON, args=(4096, SECOND))
    with pytest.raises(InputError, match=r"scenario trial: step 1 \(\w+\): ") as caught:
        encode_scenario(scenario(good, step))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample_ns": 0}, "sample interval"),
        ({"duration_ns": 2**63}, "duration"),
        ({"start_ns": -1}, "start"),
    ],
)
def test_wrong_times_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        encode_scenario(dataclasses.replace(scenario(), **changes))


def test_the_order_of_steps_and_their_room_are_checked() -> None:
    late = Step(at_ns=2 * SECOND, op=Op.BALLOON, args=(4096, SECOND))
    early = dataclasses.replace(late, at_ns=SECOND)
    with pytest.raises(InputError, match="not sorted"):
        encode_scenario(scenario(late, early))
    with pytest.raises(InputError, match="after the end"):
        encode_scenario(scenario(dataclasses.replace(late, at_ns=40 * SECOND)))
    room = (layout.MAILBOX_SIZE - layout.SCENARIO_HEADER.itemsize) // layout.STEP.itemsize
    assert 0 <= layout.MAILBOX_SIZE - len(encode_scenario(scenario(*[late] * room))) < 128
    with pytest.raises(InputError, match=f"mailbox holds {room}"):
        encode_scenario(scenario(*[late] * (room + 1)))


def test_no_more_processes_than_the_agent_has_room_for() -> None:
    clients = Step(at_ns=0, op=Op.CLIENTS, args=(1, layout.MAX_PROCESSES, 0, 0, 0))
    encode_scenario(scenario(clients))
    with pytest.raises(InputError, match=f"{layout.MAX_PROCESSES + 1} processes"):
        encode_scenario(scenario(clients, Step(at_ns=1, op=Op.HOG, args=(1, 4))))


@given(st.integers(1, 2_000_000))
def test_a_region_is_the_smallest_power_of_two_that_holds_the_log(capacity: int) -> None:
    needed = layout.RECORDS_OFFSET + capacity * 64
    size = layout.region_size(capacity)
    assert size & (size - 1) == 0
    assert size // 2 < needed <= size


def test_a_new_header_says_how_much_fits() -> None:
    buffer = bytearray(layout.region_size(1000))
    layout.init_header(buffer, 1000)
    header = np.frombuffer(buffer, layout.HEADER, 1)[0]
    assert header["magic"] == layout.MAGIC
    assert header["abi_version"] == layout.ABI_VERSION
    assert (header["capacity"], header["region_size"]) == (1000, len(buffer))
    assert header["state"] == layout.State.BOOTING
    assert not any(buffer[layout.HEADER.itemsize :])
    with pytest.raises(ValueError, match="do not fit"):
        layout.init_header(buffer, 10**6)


@pytest.mark.parametrize("kind", layout.Kind)
def test_the_values_of_every_kind_have_names(kind: layout.Kind) -> None:
    records = np.zeros(3, layout.RECORD)
    records["value"] = np.arange(15).reshape(3, 5)
    values = layout.payload(records, kind)
    assert len(values) == 3
    if kind in layout.VALUE_NAMES:
        assert values.dtype.names == layout.VALUE_NAMES[kind]
        for index, name in enumerate(layout.VALUE_NAMES[kind]):
            assert values[name].tolist() == [index, index + 5, index + 10]
    else:
        assert values.dtype in (layout.MEMINFO, layout.ZONE, layout.CHECK, layout.CONSOLE)
        assert values.dtype.itemsize == 40
