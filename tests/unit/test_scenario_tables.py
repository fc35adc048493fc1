"""The tables of a scenario, and the values in them, without the rest of a campaign."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from memnotify.campaign.scenario import client_count, concrete, runs_of
from memnotify.campaign.scenario_schema import (
    BalloonTable,
    ClientsTable,
    HogTable,
    ScenarioTable,
    StepTable,
    kib,
    ns,
)
from memnotify.campaign.values import (
    Mib,
    Millis,
    Seconds,
    SomeMillis,
    SomeSeconds,
    Values,
    exactly_one,
    only_one,
)
from memnotify.scenario import (
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
    SelfCheck,
    Stop,
    Swappiness,
)
from memnotify.toml import Table
from pydantic import TypeAdapter, ValidationError


def clients(**keys: Any) -> ClientsTable:
    return ClientsTable.model_validate({"count": 1} | keys)


def refusal(table: type[Table], **keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        table.model_validate(keys)
    (error,) = caught.value.errors()
    return str(error["msg"]).removeprefix("Value error, ")


def why_no_clients(**keys: Any) -> str:
    return refusal(ClientsTable, count=1, **keys)


def test_sizes_are_rounded_down_to_pages_and_times_to_the_nearest_unit() -> None:
    assert [kib(mib) for mib in (1, 0.5, 1.003, 1.005, 0.0077)] == [1024, 512, 1024, 1028, 4]
    assert [ns(seconds) for seconds in (1.5, 0.0015, 2e-9)] == [1_500_000_000, 1_500_000, 2]


@pytest.mark.parametrize(
    ("keys", "action"),
    [
        ({"kind": "usage"}, Clients(kind=ClientKind.USAGE, count=3, spacing_ns=1_000_000)),
        (
            {"kind": "epoll", "spacing_ms": 0.25},
            Clients(kind=ClientKind.EPOLL, count=3, spacing_ns=250_000),
        ),
        (
            {
                "kind": "circular",
                "spacing_ms": 0,
                "cache_mib": 8.003,
                "give_back_mib": 2,
                "give_back_after_ms": 1.5,
                "step_mib": 0.5,
                "pause_ms": 2.5,
                "read_bytes": 7,
                "text_mib": 0.25,
                "from_the_start": True,
                "meminfo": True,
            },
            Clients(
                kind=ClientKind.CIRCULAR,
                count=3,
                cache_kib=8192,
                give_back_kib=2048,
                give_back_after_ns=1_500_000,
                step_kib=512,
                pause_ns=2_500_000,
                read_bytes=7,
                text_kib=256,
                habits=Habit.FROM_THE_START | Habit.MEMINFO,
            ),
        ),
        (
            {
                "kind": "allocate",
                "spacing_ms": 0,
                "cache_mib": 1,
                "rate_mib_s": 10.1,
                "leave": True,
            },
            Clients(
                kind=ClientKind.ALLOCATE,
                count=3,
                cache_kib=1024,
                rate_kib_s=10342,
                habits=Habit.LEAVE,
            ),
        ),
        (
            {"kind": "psi", "spacing_ms": 0, "stall_ms": 1.5, "window_ms": 500.25},
            Clients(kind=ClientKind.PSI, count=3, stall_us=1_500, window_us=500_250),
        ),
        (
            {"kind": "pressure_level", "spacing_ms": 0, "level": "medium"},
            Clients(kind=ClientKind.PRESSURE_LEVEL, count=3, level=Level.MEDIUM),
        ),
        (
            {"kind": "peek", "spacing_ms": 0, "every_ms": 0.5},
            Clients(kind=ClientKind.PEEK, count=3, every_ns=500_000),
        ),
        (
            {
                "kind": "exit",
                "spacing_ms": 0,
                "cache_mib": 1,
                "open_first": True,
                "fasync": False,
            },
            Clients(kind=ClientKind.EXIT, count=3, cache_kib=1024, habits=Habit.OPEN_FIRST),
        ),
        ({"program": "./a.c", "spacing_ms": 0}, Clients(kind=ClientKind.OWN, count=3, program=1)),
        ({"program": "./a", "spacing_ms": 0}, Clients(kind=ClientKind.LINES, count=3, program=1)),
    ],
)
def test_what_the_keys_of_clients_are_in_the_guest(keys: dict[str, Any], action: Clients) -> None:
    assert clients(**keys).clients(3) == action


def test_which_program_clients_run_and_how() -> None:
    assert clients(kind="poll").run is None
    assert clients(program="./a").run == ("./a", (), "", 0)
    whole = clients(program="./a", args=["1", ""], wakeup_line="woken", expect_status=3)
    assert whole.run == ("./a", ("1", ""), "woken", 3)


@pytest.mark.parametrize(
    ("key", "value"), [("args", []), ("wakeup_line", "woken"), ("expect_status", 0)]
)
def test_what_only_a_program_has_is_refused_without_one(key: str, value: object) -> None:
    said = why_no_clients(kind="poll", **{key: value})
    assert said == f"{key} has no effect without program"


def test_what_only_kinds_have_is_refused_for_a_program() -> None:
    said = why_no_clients(program="./a", text_mib=1, cache_mib=1, fasync=True)
    assert said == "cache_mib and fasync and text_mib: not for a program of your own"
    assert why_no_clients(program="./a", leave=False) == "leave: not for a program of your own"


def test_arguments_have_room_with_the_ends_of_each() -> None:
    fits = ["é" * 499 + "x"] * 4  # of 999 bytes, and a last one
    assert clients(program="./a", args=fits).args == fits
    assert why_no_clients(program="./a", args=[*fits, ""]) == (
        "args take 4001 bytes, more than 4000"
    )


def test_a_line_that_says_it_was_woken_is_a_binarys() -> None:
    assert why_no_clients(program="./a.c", wakeup_line="woken") == (
        "wakeup_line is for binaries: of a C file, the waits themselves are logged"
    )


def test_keys_are_named_as_they_are_written() -> None:
    assert why_no_clients(kind="usage", cache_mib=1, leave=True) == (
        'cache_mib and leave: not for kind = "usage"'
    )
    assert why_no_clients(kind="psi", stall_ms=1) == 'kind = "psi" needs stall_ms and window_ms'
    said = why_no_clients(kind="release", cache_mib=1, give_back_mib=2)
    assert said.startswith("give_back_mib is more than cache_mib: ")
    assert (
        why_no_clients(kind="exit", open_first=True) == "open_first has no effect without cache_mib"
    )


@pytest.mark.parametrize(
    ("table", "keys", "words"),
    [
        (
            ClientsTable,
            {"count": 1},
            "clients needs exactly one of kind, program; this one has none",
        ),
        (
            BalloonTable,
            {"percent": 5.0, "mib": 5.0},
            "a balloon needs exactly one of percent, mib; this one has percent and mib",
        ),
        (
            HogTable,
            {"rate_mib_s": 1.0},
            "a hog needs exactly one of ceiling_mib, ceiling_percent; this one has none",
        ),
        (
            StepTable,
            {"at_s": 1.0, "swappiness": 0, "stop": "hog"},
            "a step needs exactly one of clients, balloon, hog, filecache, console, dd, "
            "self_check, group, swappiness, stop; this one has swappiness and stop",
        ),
    ],
)
def test_of_some_keys_there_is_one(table: type[Table], keys: dict[str, Any], words: str) -> None:
    assert refusal(table, **keys) == words


def test_which_of_the_keys_it_is() -> None:
    assert only_one(BalloonTable(mib=5.0), ("percent", "mib"), "a balloon") == "mib"
    assert exactly_one("a", "b") == {
        "json_schema_extra": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    }


def test_keys_that_may_be_left_out_are_none_and_described() -> None:
    table = BalloonTable(percent=5.0)
    assert table.mib is None
    field = ClientsTable.model_fields["args"]
    assert (field.default, field.description) == (None, "Arguments of that program.")


PAGE = 1 / 256


@pytest.mark.parametrize(
    ("form", "values", "too_small", "words"),
    [
        (Seconds, [0, 0.001, 86_400], 0.0009, "0.0009 is less than a millisecond, 0.001"),
        (SomeSeconds, [0.001, 5], 0.0009, "0.0009 is less than a millisecond, 0.001"),
        (Millis, [0, 0.001], 0.0009, "0.0009 is less than a microsecond, 0.001"),
        (SomeMillis, [0.001], 0.0009, "0.0009 is less than a microsecond, 0.001"),
        (Mib, [PAGE, 1], 0.0039, "0.0039 is less than a page of 4 KiB, 0.00390625"),
    ],
)
def test_a_value_that_is_nothing_in_a_guest_is_refused(
    form: Any, values: list[float], too_small: float, words: str
) -> None:
    adapter = TypeAdapter(form)
    for value in values:
        assert adapter.validate_python(value) == value
    with pytest.raises(ValidationError, match=words):
        adapter.validate_python(too_small)


def test_one_value_needs_no_brackets_and_several_differ() -> None:
    adapter: TypeAdapter[list[int]] = TypeAdapter(Values[int])
    assert adapter.validate_python(5) == [5]
    assert adapter.validate_python([5, 6]) == [5, 6]
    with pytest.raises(ValidationError, match=r"error, 5, 6 is listed twice; once is enough"):
        adapter.validate_python([6, 5, 6, 5, 7])
    assert adapter.json_schema() == {
        "anyOf": [
            {"type": "integer"},
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "uniqueItems": True},
        ]
    }


def test_each_action_in_the_units_of_the_guest() -> None:
    text = """
start_s = 1.5
duration_s = 20
sample_ms = 0.5e2
step = [
  { at_s = 0, clients = { program = "./a", count = 2 } },
  { at_s = 0.5, clients = { kind = "poll", count = "matrix", spacing_ms = 0 } },
  { at_s = 1, clients = { program = "./b", count = 1, spacing_ms = 0 } },
  { at_s = 2, clients = { program = "./a", count = "matrix" } },
  { at_s = 3, balloon = { percent = 33, settle_s = 2 } },
  { at_s = 4, balloon = { mib = 5.003 } },
  { at_s = 5, hog = { rate_mib_s = 1.5, ceiling_percent = 33, node = 1 } },
  { at_s = 6, hog = { rate_mib_s = 1, ceiling_mib = 7.003 } },
  { at_s = 7, filecache = { rate_mib_s = 2, total_mib = 3, file = "sparse", touch_ms = 1.5 } },
  { at_s = 8, filecache = { rate_mib_s = 2, total_mib = 3 } },
  { at_s = 9, console = { every_s = 0.5 } },
  { at_s = 10, dd = { block_mib = 2, count = 3 } },
  { at_s = 11, self_check = { memory_mib = 2 } },
  { at_s = 12, swappiness = 0 },
  { at_s = 13, group = { version = 2, limit_mib = 2 } },
  { at_s = 14, group = { version = 1 } },
  { at_s = 15, stop = "hog" },
]
"""
    table = ScenarioTable.model_validate(tomllib.loads(text))
    found = concrete("s", table, memory_mib=64, clients=4)
    assert (found.name, found.start_ns, found.duration_ns) == ("s", 1_500_000_000, 20_000_000_000)
    assert found.sample_ns == 50_000_000
    assert [step.at_ns for step in found.steps[:3]] == [0, 500_000_000, 1_000_000_000]
    lines = ClientKind.LINES
    assert [step.action for step in found.steps] == [
        Clients(kind=lines, count=2, spacing_ns=1_000_000, program=1),
        Clients(kind=ClientKind.POLL, count=4),
        Clients(kind=lines, count=1, program=2),
        Clients(kind=lines, count=4, spacing_ns=1_000_000, program=1),
        Balloon(target_kib=21_624, settle_ns=2_000_000_000),
        Balloon(target_kib=5_120, settle_ns=5_000_000_000),
        Hog(rate_kib_s=1_536, ceiling_kib=21_624, node=1),
        Hog(rate_kib_s=1_024, ceiling_kib=7_168, node=None),
        FileCache(rate_kib_s=2_048, total_kib=3_072, file=File.SPARSE, touch_ns=1_500_000),
        FileCache(rate_kib_s=2_048, total_kib=3_072, file=File.DISK, touch_ns=0),
        Console(every_ns=500_000_000),
        Dd(block_kib=2_048, count=3),
        SelfCheck(memory_kib=2_048),
        Swappiness(value=0),
        Group(version=2, limit_kib=2_048),
        Group(version=1, limit_kib=0),
        Stop(what=Op.HOG),
    ]
    assert client_count(table, 4) == 2 + 4 + 1 + 4
    assert [run[0] for run in runs_of(table)] == ["./a", "./b"]
