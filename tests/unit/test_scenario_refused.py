"""Scenarios that are refused: with which file, line and key, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.good_campaign import assert_refused, refusal

# What to replace, the replacement, and the line and words that the error must have.
REFUSED = {
    "bool for a number": ("duration_s = 40", "duration_s = true", 14, r"squeeze\.duration_s"),
    "not a number": ("duration_s = 40", "duration_s = nan", 14, r"squeeze\.duration_s"),
    "missing": ("duration_s = 40\n", "", 13, r"squeeze\.duration_s: this key is missing"),
    "balloon above RAM": (
        "percent = 75",
        "mib = 80",
        22,
        r"step\[1\]\.balloon\.mib: leaves 80 MiB to a guest of 64 MiB in matrix\.memory_mib, "
        r"more than it has$",
    ),
    "balloon above 100 %": ("percent = 75", "percent = 120", 22, r"step\[1\]\.balloon\.percent"),
    "no room to live": (
        "percent = 75",
        "mib = 2",
        22,
        r"step\[1\]\.balloon\.mib: leaves 2 MiB to a guest of 64 MiB; "
        r"no kernel runs in less than 8$",
    ),
    "nor by a share": (
        "percent = 75",
        "percent = 5",
        22,
        r"step\[1\]\.balloon\.percent: leaves 3\.19922 MiB to a guest of 64 MiB; no kernel",
    ),
    "two targets": (
        "percent = 75",
        "mib = 40, percent = 5",
        22,
        r"mib.*exactly one|exactly one.*mib",
    ),
    "no target": ("percent = 75", "settle_s = 3.0", 22, "exactly one of percent, mib"),
    "balloons overlap": (
        "percent = 75",
        "percent = 75, settle_s = 16",
        25,
        r"step\[2\]\.at_s: the balloon step before may settle until 21 \(",
    ),
    "settles too late": (
        "percent = 100",
        "percent = 100, settle_s = 21",
        26,
        r"step\[2\]\.balloon\.settle_s: may settle until 41, after the end, duration_s = 40$",
    ),
    "after the end": ("at_s = 20", "at_s = 40", 25, r"step\[2\]\.at_s: 40 is not before the end"),
    "at the end once it is rounded to nanoseconds": (
        "at_s = 20",
        "at_s = 39.9999999999",
        25,
        r"step\[2\]\.at_s: 40 is not before the end, duration_s = 40; every step must begin",
    ),
    "not in order": ("at_s = 20", "at_s = 4", 25, r"step\[2\]\.at_s: 4 comes after 5"),
    "two actions": (
        "at_s = 20",
        'at_s = 20\nstop = "hog"',
        24,
        r"step\[2\]: .*exactly one.*balloon and stop",
    ),
    "no action": ("balloon = { percent = 100 }", "", 24, r"step\[2\]: .*has none"),
    "stop of nothing": (
        "balloon = { percent = 100 }",
        'stop = "hog"',
        26,
        r"step\[2\]\.stop: no earlier step starts a hog that is still running$",
    ),
    "stop of no clients": (
        'count = "matrix" }',
        'count = "matrix" }\n[[scenario.squeeze.step]]\nat_s = 1\nstop = "clients"\n'
        '[[scenario.squeeze.step]]\nat_s = 2\nstop = "clients"',
        24,
        r"step\[2\]\.stop: no earlier step starts clients that are still running$",
    ),
    "a key of another table": (
        "at_s = 5",
        "at_s = 5\nnode = 1",
        22,
        r"step\[1\]\.node: unknown key$",
    ),
    "clients after the end": (
        'count = "matrix" }',
        "count = 41, spacing_ms = 1000 }",
        18,
        r"step\[0\]\.clients: of 41 clients, 1000 ms apart, only 40 would start before the end, "
        r"duration_s = 40 \(",
    ),
    "clients after the end, of a step after others": (
        "balloon = { percent = 100 }",
        "balloon = { percent = 100 }\n[[scenario.squeeze.step]]\nat_s = 30\n"
        'clients = { kind = "poll", count = 12, spacing_ms = 1000 }',
        29,
        r"step\[3\]\.clients: of 12 clients, 1000 ms apart, only 10 would start before the end",
    ),
    "clients of the matrix after the end": (
        'count = "matrix" }',
        'count = "matrix", spacing_ms = 1300 }',
        18,
        r"clients: of 32 clients, 1300 ms apart, only 31 would start before the end",
    ),
    "clients after a stop": (
        'count = "matrix" }',
        'count = "matrix", spacing_ms = 100 }\n[[scenario.squeeze.step]]\nat_s = 3\n'
        'stop = "clients"',
        18,
        r"clients: of 32 clients, .*only 30 would start before they are stopped, at_s = 3 \(",
    ),
    "a number for a table": (
        "balloon = { percent = 75 }",
        "balloon = 75",
        22,
        r"balloon: must be a table, not 75",
    ),
    "no disk": (
        "balloon = { percent = 100 }",
        "filecache = { rate_mib_s = 8, total_mib = 64 }",
        26,
        r"step\[2\]\.filecache: machine pc-swap has no disk to read \(",
    ),
    "hog without ceiling": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8 }",
        26,
        "ceiling_mib, ceiling_percent",
    ),
    "a node on a machine without": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8, ceiling_mib = 9, node = 0 }",
        26,
        r"step\[2\]\.hog\.node: there is no node 0: machine pc-swap has a single node \(",
    ),
    "unknown kind": ('kind = "poll"', 'kind = "wait"', 18, r"step\[0\]\.clients\.kind"),
    "release without sizes": ('kind = "poll"', 'kind = "release"', 18, "needs cache_mib"),
    "poll with a cache": (
        'kind = "poll"',
        'kind = "poll", cache_mib = 1',
        18,
        "cache_mib: not for.*poll",
    ),
    "circular without a rate": (
        'kind = "poll"',
        'kind = "circular", cache_mib = 9, give_back_mib = 1',
        18,
        "exactly one of rate_mib_s, step_mib; this one has none",
    ),
    "a step without a pause": (
        'kind = "poll"',
        'kind = "allocate", cache_mib = 9, step_mib = 1',
        18,
        "step_mib needs pause_ms",
    ),
    "a pause without steps": (
        'kind = "poll"',
        'kind = "allocate", cache_mib = 9, rate_mib_s = 1, pause_ms = 5',
        18,
        "pause_ms can only be used with step_mib",
    ),
    "a step of less than a page": (
        'kind = "poll"',
        'kind = "allocate", cache_mib = 9, step_mib = 0.001, pause_ms = 5',
        18,
        r"step_mib: 0\.001 is less than a page of 4 KiB",
    ),
    "an order that a kind has not": (
        'kind = "poll"',
        'kind = "poll", open_first = true',
        18,
        "open_first: not for.*poll",
    ),
    "too much to read": (
        'kind = "poll"',
        'kind = "poll", read_bytes = 65',
        18,
        r"read_bytes: must be 64 or less",
    ),
    "text without a disk": (
        'kind = "poll"',
        'kind = "poll", text_mib = 1',
        18,
        r"step\[0\]\.clients\.text_mib: maps 1 MiB, and the disk of machine pc-swap has 0 \(",
    ),
    "dd without a disk": (
        "balloon = { percent = 100 }",
        "dd = { block_mib = 1.5, count = 4 }",
        26,
        r"step\[2\]\.dd: writes 6 MiB, and the disk of machine pc-swap has 0 \(",
    ),
    "stop of no console": (
        "balloon = { percent = 100 }",
        'stop = "console"',
        26,
        "no earlier step starts a console that is still running$",
    ),
    "a duration of nothing": (
        "duration_s = 40",
        "duration_s = 0.0000001",
        14,
        r"squeeze\.duration_s: 1e-07 is less than a millisecond",
    ),
    "a time of nothing": ("at_s = 5", "at_s = 1e-9", 21, r"at_s: 1e-09 is less than a millisecond"),
    "a pause of nothing": (
        'kind = "poll"',
        'kind = "poll", spacing_ms = 1e-7',
        18,
        r"spacing_ms: 1e-07 is less than a microsecond",
    ),
    "a look every nothing": (
        'kind = "poll"',
        'kind = "peek", every_ms = 1e-7',
        18,
        r"every_ms: 1e-07 is less than a microsecond",
    ),
    "a stall of nothing": (
        'kind = "poll"',
        'kind = "psi", stall_ms = 1e-7, window_ms = 1000',
        18,
        r"stall_ms: 1e-07 is less than a microsecond",
    ),
    "a size of nothing": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8, ceiling_mib = 0.0001 }",
        26,
        r"ceiling_mib: 0\.0001 is less than a page of 4 KiB",
    ),
    "a rate of nothing": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 0.0001, ceiling_mib = 1 }",
        26,
        r"rate_mib_s: 0\.0001 is less than a page of 4 KiB",
    ),
    "a share of nothing": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8, ceiling_percent = 0.0001 }",
        26,
        r"step\[2\]\.hog\.ceiling_percent: less than a page of a guest of 64 MiB$",
    ),
    "an order without a cache": (
        'kind = "poll"',
        'kind = "exit", open_first = true',
        18,
        "open_first has no effect without cache_mib",
    ),
    "a group for nobody": (
        "balloon = { percent = 100 }",
        "group = { version = 2 }",
        26,
        r"step\[2\]\.group: has no effect: no later step starts a hog, "
        r"or clients that watch groups$",
    ),
    "a self-check without room": (
        "balloon = { percent = 100 }",
        "self_check = { memory_mib = 4096 }",
        26,
        r"step\[2\]\.self_check\.memory_mib: fills 4096 MiB, and a guest of 64 MiB on machine "
        r"pc-swap has 192 with its swap$",
    ),
    "two self-checks": (
        "balloon = { percent = 100 }",
        "self_check = { memory_mib = 100 }\n[[scenario.squeeze.step]]\nat_s = 30\n"
        "self_check = { memory_mib = 100 }",
        29,
        r"step\[3\]\.self_check: a scenario can have only one self-check$",
    ),
    "neither of two": ('"matrix"', '"all"', 18, "count: must be 'matrix', or a whole number, not"),
    "too few": ('"matrix"', "0", 18, "count: must be 'matrix', or 1 or more, not 0"),
    "true for a number": ("duration_s = 40", "duration_s = true", 14, "must be a number, not true"),
}


@pytest.mark.parametrize(("old", "new", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert_refused(tmp_path, old, new, line, words)


HINTS = {
    "balloons overlap": "reduce its settle_s",
    "clients after the end": "reduce count or spacing_ms, or extend duration_s",
    "no disk": "use a machine with disk_mib",
    "text without a disk": "use a machine with disk_mib",
    "dd without a disk": "use a machine with disk_mib",
    "a node on a machine without": "use a machine with numa_nodes, or omit node",
}


@pytest.mark.parametrize(("case", "hint"), HINTS.items(), ids=HINTS)
def test_a_refusal_says_what_to_do(tmp_path: Path, case: str, hint: str) -> None:
    old, new, *_ = REFUSED[case]
    assert refusal(tmp_path, old, new).hint == hint
