"""The Python mirror of record.h, and the scenarios that go into the mailbox."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.errors import InputError
from memnotify.guest import mailbox
from memnotify.guest.mailbox import encode_scenario
from memnotify.records import layout
from memnotify.scenario import (
    CLIENT_KINDS,
    Action,
    Balloon,
    ClientKind,
    Clients,
    Console,
    Dd,
    File,
    FileCache,
    Group,
    Habit,
    Hog,
    Level,
    Op,
    Scenario,
    SelfCheck,
    Step,
    Stop,
    Swappiness,
)
from memnotify.scenario_rules import MAX_NODES, MAX_PROCESSES, MAX_READ

SECOND = 1_000_000_000


def scenario(*steps: Step) -> Scenario:
    return Scenario(
        name="trial",
        start_ns=5 * SECOND,
        duration_ns=40 * SECOND,
        sample_ns=SECOND // 10,
        steps=steps,
    )


STEPS: tuple[tuple[Action, tuple[int, ...]], ...] = (
    (
        Clients(
            kind=ClientKind.RELEASE,
            count=200,
            cache_kib=1024,
            give_back_kib=64,
            spacing_ns=1_000_000,
        ),
        (Op.CLIENTS, 2, 200, 1024, 64, 1_000_000),
    ),
    (Balloon(target_kib=49_152, settle_ns=3 * SECOND), (Op.BALLOON, 49_152, 3 * SECOND)),
    (Hog(rate_kib_s=4096, ceiling_kib=2**31), (Op.HOG, 4096, 2**31)),
    (Hog(rate_kib_s=4096, ceiling_kib=8192, node=1), (Op.HOG, 4096, 8192, 2)),
    (
        Clients(
            kind=ClientKind.CIRCULAR,
            count=1,
            cache_kib=4096,
            give_back_kib=64,
            step_kib=40,
            pause_ns=5,
            give_back_after_ns=7,
            habits=Habit.FROM_THE_START | Habit.MEMINFO,
            text_kib=400,
        ),
        (Op.CLIENTS, 6, 1, 4096, 64, 0, 0, 40, 5, 7, 6, 0, 400),
    ),
    (
        Clients(kind=ClientKind.PSI, count=2, stall_us=150, window_us=900),
        (Op.CLIENTS, 7, 2, 150, 900, 0),
    ),
    (
        Clients(kind=ClientKind.PRESSURE_LEVEL, count=2, level=Level.MEDIUM),
        (Op.CLIENTS, 8, 2, 2, 0, 0),
    ),
    (
        Clients(kind=ClientKind.PEEK, count=2, every_ns=4),
        (Op.CLIENTS, 12, 2, 0, 0, 0, 0, 0, 4),
    ),
    (
        Clients(kind=ClientKind.OWN, count=2, program=3),
        (Op.CLIENTS, 14, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3),
    ),
    (
        FileCache(rate_kib_s=5, total_kib=6, file=File.SPARSE, touch_ns=7),
        (Op.FILECACHE, 5, 6, 1, 7),
    ),
    (FileCache(rate_kib_s=5, total_kib=6, file=File.SPARSE), (Op.FILECACHE, 5, 6, 1, 0)),
    (FileCache(rate_kib_s=5, total_kib=6, touch_ns=7), (Op.FILECACHE, 5, 6, 0, 7)),
    (FileCache(rate_kib_s=5, total_kib=6), (Op.FILECACHE, 5, 6)),
    (SelfCheck(memory_kib=64), (Op.SELF_CHECK, 64)),
    (Group(version=2, limit_kib=8), (Op.GROUP, 2, 8)),
    (Console(every_ns=SECOND), (Op.CONSOLE, SECOND)),
    (Dd(block_kib=3200, count=10), (Op.DD, 3200, 10)),
    (Swappiness(value=60), (Op.SWAPPINESS, 60)),
    (Stop(what=Op.CONSOLE), (Op.STOP, Op.CONSOLE)),
)
"""Actions, and how the guest and the JSON of a plan represent them: an Op, and its numbers."""


def test_a_scenario_comes_back_from_its_bytes() -> None:
    steps = [
        Step(at_ns=number * SECOND, action=action, place=number % 3)
        for number, (action, _) in enumerate(STEPS)
    ]
    data = encode_scenario(scenario(*steps))
    header = np.frombuffer(data, mailbox.SCENARIO_HEADER, 1)[0]
    rows = np.frombuffer(data, mailbox.STEP, offset=mailbox.SCENARIO_HEADER.itemsize)
    assert header["magic"] == layout.MAGIC
    assert [int(header[name]) for name in ("start_ns", "duration_ns", "sample_ns")] == [
        5 * SECOND,
        40 * SECOND,
        SECOND // 10,
    ]
    assert header["nr_steps"] == len(rows) == len(steps)
    for row, step, (_, (op, *numbers)) in zip(rows, steps, STEPS, strict=True):
        assert (row["at_ns"], row["op"], row["place"]) == (step.at_ns, op, step.place)
        assert row["arg"].tolist() == [*numbers, *[0] * (mailbox.ARGS - len(numbers))]


@pytest.mark.parametrize(("action", "row"), STEPS)
def test_the_json_of_a_step_is_what_it_has_always_been(
    action: Action, row: tuple[int, ...]
) -> None:
    step = Step(at_ns=7, action=action, place=2)
    told = json.loads(json.dumps(mailbox.step_to_json(step)))
    assert list(told.items()) == [
        ("at_ns", 7),
        ("op", row[0]),
        ("args", list(row[1:])),
        ("place", 2),
    ]
    assert mailbox.step_from_json(told) == step
    del told["place"]  # missing in runs made before places existed
    assert mailbox.step_from_json(told) == dataclasses.replace(step, place=0)


def test_every_action_is_tried() -> None:
    assert {action.op for action, _ in STEPS} == set(Op)


COMMON = {"kind", "count", "spacing_ns", "habits"}
FIELDS = {field.name for field in dataclasses.fields(Clients)} - COMMON


def test_the_table_of_kinds_is_whole() -> None:
    assert set(CLIENT_KINDS) == set(ClientKind)
    told = [traits.fields for traits in CLIENT_KINDS.values()]
    assert frozenset.union(*told) == FIELDS
    assert all(not set(traits.needs) & set(traits.takes) for traits in CLIENT_KINDS.values())


@st.composite
def some_clients(draw: st.DrawFn) -> Clients:
    """Return clients with every field that their kind may have; required ones are not 0."""
    kind = draw(st.sampled_from(ClientKind))
    traits = CLIENT_KINDS[kind]
    fields: dict[str, Any] = {
        field: draw(st.integers(int(field in traits.needs), 2**64 - 1))
        for field in traits.fields - {"level"}
    }
    if "level" in traits.fields:
        fields["level"] = draw(st.sampled_from(Level))
    allowed = [habit for habit in Habit if habit in traits.habits]
    for habit in draw(st.sets(st.sampled_from(allowed))) if allowed else ():
        fields["habits"] = fields.get("habits", Habit(0)) | habit
    count, spacing = draw(st.integers(1, 16_000)), draw(st.integers(0, 2**40))
    return Clients(kind=kind, count=count, spacing_ns=spacing, **fields)


@given(some_clients())
def test_no_field_of_clients_is_lost_in_json(clients: Clients) -> None:
    step = Step(at_ns=1, action=clients)
    assert mailbox.step_from_json(mailbox.step_to_json(step)) == step


@pytest.mark.parametrize(
    ("op", "args", "words"),
    [
        (11, (), "11 is not a valid operation"),
        (Op.CLIENTS, (99, 1, 0, 0, 0), "99 is not a valid kind of client"),
        (Op.CLIENTS, (8, 1, 4, 0, 0), "4 is not a valid level of pressure"),
        (Op.CLIENTS, (1, 1, 0, 0, 0, 0, 0, 0, 0, 48), "32 is not a known habit"),
        (Op.CLIENTS, (3, 1, 0, 0), "4 arguments, 5 to 13 expected"),
        (Op.FILECACHE, (1, 4, 2, 0), "2 is not a valid kind of file"),
        (Op.FILECACHE, (1, 4, 0), "3 arguments, 2 or 4 expected"),
        (Op.HOG, (1,), "1 arguments, 2 or 3 expected"),
        (Op.STOP, (77,), "77 is not a valid operation that starts processes"),
        (Op.DD, ("many", 1), "valid integer"),
    ],
)
def test_json_that_is_no_step(op: int, args: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mailbox.step_from_json({"at_ns": 0, "op": op, "args": args, "place": 0})


def allocating(kind: ClientKind, **fields: int) -> Clients:
    given = {"give_back_kib": 4} if kind is ClientKind.CIRCULAR else {}
    return Clients(kind=kind, count=1, cache_kib=4, **given, **fields)  # type: ignore[arg-type]


def reading(**fields: Any) -> Clients:
    return Clients(kind=ClientKind.EXIT, count=1, **fields)


def releasing(give_back_kib: int) -> Clients:
    return Clients(kind=ClientKind.RELEASE, count=1, cache_kib=64, give_back_kib=give_back_kib)


def polling(count: int = 1, **fields: Any) -> Clients:
    return Clients(kind=ClientKind.POLL, count=count, **fields)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (polling(0), "0 clients"),
        (polling(17_000), "17000 clients"),
        (polling(rate_kib_s=8), 'rate_kib_s: not for kind = "poll"'),
        (polling(cache_kib=8, give_back_kib=4), "cache_kib and give_back_kib: not for"),
        (polling(habits=Habit.OPEN_FIRST), 'open_first: not for kind = "poll"'),
        (reading(habits=Habit.MEMINFO), 'meminfo: not for kind = "exit"'),
        (reading(read_bytes=MAX_READ + 1), "reads of 65 bytes"),
        (releasing(6), "not a multiple of the 4 KiB page size"),
        (releasing(68), "68 KiB of 64 KiB would be given back"),
        (releasing(0), "needs cache_kib and give_back_kib"),
        (allocating(ClientKind.ALLOCATE), "a rate or steps"),
        (allocating(ClientKind.CIRCULAR, rate_kib_s=7 << 32), "rate and size"),
        (allocating(ClientKind.CIRCULAR, rate_kib_s=1, step_kib=4, pause_ns=1), "a rate or steps"),
        (
            allocating(ClientKind.CIRCULAR, rate_kib_s=1, pause_ns=1),
            "can only be used with step_kib",
        ),
        (allocating(ClientKind.CIRCULAR, step_kib=4), "there is a pause after"),
        (
            allocating(ClientKind.CIRCULAR, step_kib=6, pause_ns=1),
            "not a multiple of the 4 KiB page size",
        ),
        (Clients(kind=ClientKind.PEEK, count=1), "needs every_ns"),
        (Clients(kind=ClientKind.PRESSURE_LEVEL, count=1), "needs level"),
        (
            Clients(kind=ClientKind.PSI, count=1, stall_us=9, window_us=8),
            "stall_us is more than window_us",
        ),
        (Balloon(target_kib=4097, settle_ns=SECOND), "4097 KiB"),
        (Balloon(target_kib=4096, settle_ns=2**64), "64 bits"),
        (Hog(rate_kib_s=0, ceiling_kib=4096), "rate and size"),
        (Hog(rate_kib_s=1, ceiling_kib=2**32), "rate and size"),
        (Hog(rate_kib_s=1, ceiling_kib=4, node=MAX_NODES), f"no node {MAX_NODES}"),
        (FileCache(rate_kib_s=1, total_kib=0), "rate and size"),
        (SelfCheck(memory_kib=0), "memory must be above 0"),
        (Group(version=3), "no version 3 of control groups"),
        (Swappiness(value=101), "101 is not a valid swappiness"),
        (Console(every_ns=0), "sleep between rounds"),
        (Dd(block_kib=4, count=0), "rate and size"),
        (Stop(what=Op.BALLOON), "starts processes"),
        (Stop(what=Op.SELF_CHECK), "starts processes"),
        (
            Step(at_ns=0, action=Hog(rate_kib_s=1, ceiling_kib=4), place=-1),
            "-1 is not the number of a process",
        ),
    ],
)
def test_a_wrong_step_is_refused_by_number_and_reason(action: Action | Step, words: str) -> None:
    step = action if isinstance(action, Step) else Step(at_ns=0, action=action)
    good = Step(at_ns=0, action=Balloon(target_kib=4096, settle_ns=SECOND))
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
    late = Step(at_ns=2 * SECOND, action=Balloon(target_kib=4096, settle_ns=SECOND))
    early = dataclasses.replace(late, at_ns=SECOND)
    with pytest.raises(InputError, match="sort the steps"):
        encode_scenario(scenario(late, early))
    with pytest.raises(InputError, match="must begin before the end"):
        encode_scenario(scenario(dataclasses.replace(late, at_ns=40 * SECOND)))
    room = (layout.MAILBOX_SIZE - mailbox.SCENARIO_HEADER.itemsize) // mailbox.STEP.itemsize
    assert 0 <= layout.MAILBOX_SIZE - len(encode_scenario(scenario(*[late] * room))) < 128
    with pytest.raises(InputError, match=f"mailbox holds {room}"):
        encode_scenario(scenario(*[late] * (room + 1)))


def test_no_more_processes_than_the_agent_has_room_for() -> None:
    clients = Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=MAX_PROCESSES))
    encode_scenario(scenario(clients))
    with pytest.raises(InputError, match=f"{MAX_PROCESSES + 1} processes"):
        encode_scenario(scenario(clients, Step(at_ns=1, action=Hog(rate_kib_s=1, ceiling_kib=4))))


@given(st.integers(1, 2_000_000))
def test_a_region_is_the_smallest_power_of_two_that_holds_the_log(capacity: int) -> None:
    needed = layout.RECORDS_OFFSET + capacity * 64
    size = layout.region_size(capacity)
    assert size & (size - 1) == 0
    assert size // 2 < needed <= size


def test_a_log_may_fill_its_region_to_the_last_byte() -> None:
    assert layout.region_size(1024) == 128 * 1024
    assert layout.region_size(1025) == 256 * 1024
    whole = bytearray(128 * 1024)
    layout.init_header(whole, 1024)
    with pytest.raises(ValueError, match="1024 records do not fit in a region of 131071 bytes"):
        layout.init_header(whole[:-1], 1024)


def test_a_log_has_one_record_at_least() -> None:
    buffer = bytearray(128 * 1024)
    with pytest.raises(ValueError, match="0 records do not fit"):
        layout.init_header(buffer, 0)
    layout.init_header(buffer, 1)


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
    values = records["value"].copy().view(layout.LAYOUTS[kind])[:, 0]
    assert len(values) == 3
    if kind in layout.VALUE_NAMES:
        assert values.dtype.names == layout.VALUE_NAMES[kind]
        for index, name in enumerate(layout.VALUE_NAMES[kind]):
            assert values[name].tolist() == [index, index + 5, index + 10]
    else:
        assert values.dtype in (
            *(layout.MEMINFO, layout.ZONE, layout.CHECK, layout.CONSOLE),
            layout.SAID,
        )
        assert values.dtype.itemsize == 40
