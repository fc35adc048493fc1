"""Campaign files that are refused: with which file, line and key, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.good_campaign import assert_refused, refusal

# What to replace, the replacement, and the line and words that the error must have.
REFUSED = {
    "unknown key": (
        "clients = [1, 32]",
        "client = [1]",
        9,
        r"matrix\.client: unknown key.*clients",
    ),
    "unknown key in a table": (
        'base = "6.1"',
        'base = "6.1"\nfoo = 1',
        5,
        r"kernel\.foo: unknown key",
    ),
    "wrong type": ("[64, 96]", '[64, "96"]', 8, r"matrix\.memory_mib\[1\].*'96'"),
    "too many cells": (
        "clients = [1, 32]",
        f"clients = {list(range(1, 27))}\nrepeat = 1000\nseed = 1",
        6,
        r": matrix: 104000 cells \(2 series \* 2 memory_mib \* 26 clients \* 1000 repeat\); "
        r"a campaign has at most 100000$",
    ),
    "far too many values": (
        "clients = [1, 32]",
        "clients = [" + "7, " * 50_000 + "]",
        9,
        r"matrix\.clients: 7 is listed twice",
    ),
    "a long name": (
        'name = "try"',
        f'name = "{"x" * 9_000}"',
        1,
        r"name: 'x{39} … x{39}' is not a name: at most 64 ",
    ),
    "dead axis": (
        '"matrix"',
        "7",
        9,
        r": matrix\.clients: no step of scenario squeeze has count = \"matrix\", "
        r"so its cells would be identical$",
    ),
    "missing axis": (
        "clients = [1, 32]\n",
        "",
        6,
        r": matrix: no clients, but scenario squeeze has count = \"matrix\" \(",
    ),
    "too many clients": ("[1, 32]", "[1, 16001]", 9, r"matrix\.clients\[1\].*16000"),
    "empty axis": ("[1, 32]", "[]", 9, r"matrix\.clients.*at least 1"),
    "twice": (
        "[1, 32]",
        "[32, 1, 32]",
        9,
        r"matrix\.clients: 32 is listed twice; once is enough$",
    ),
    "unknown machine": (
        '"pc-swap"',
        '"toaster"',
        10,
        r"matrix\.machine: .*toaster.*there are.*pc-swap",
    ),
    "misspelt machine": ('"pc-swap"', '"pc-swp"', 10, r"matrix\.machine: .*mean pc-swap\?"),
    "misspelt of several": ('"pc-swap"', '["pc", "pc-swp"]', 10, r"matrix\.machine\[1\]: "),
    "series without brackets": (
        'series = ["none", "v4"]',
        'series = "v99"',
        7,
        r"matrix\.series: there is no series v99 .there are: none, .*v1, .*v3, .*v4",
    ),
    "no name": ('name = "try"', 'name = "my try"', 1, "name: 'my try' is not a name: at most 64"),
    "too small": ("[64, 96]", "[64, 6]", 8, r"memory_mib\[1\]: must be 16 or more, not 6"),
    "too large": ("[64, 96]", "1048577", 8, r"memory_mib: must be 1048576 or less, not 1048577"),
    "no string": ('"squeeze"', "7", 11, "scenario: must be a string in quotes, not 7"),
    "unknown series": ('"v4"]', '"v99"]', 7, r"matrix\.series\[1\].*v99.*v4"),
    "unknown base": ('"6.1"', '"5.99"', 4, r"kernel\.base.*5\.99.*6\.1"),
    "unknown base of several": ('"6.1"', '["6.1", "5.99"]', 4, r": kernel\.base\[1\]: .*5\.99"),
    "unknown architecture": ('base = "6.1"', 'base = "6.1"\narch = "arm64"', 5, r"kernel\.arch"),
    "unknown scenario": (
        'scenario = "squeeze"',
        'scenario = "squash"',
        11,
        r": matrix\.scenario: there is neither a \[scenario\.squash\] here nor a file "
        r"/.*/scenarios/squash\.toml \(there is: squeeze\)$",
    ),
    "unknown scenario of several": (
        'scenario = "squeeze"',
        'scenario = ["squeeze", "squash"]',
        11,
        r": matrix\.scenario\[1\]: there is neither a \[scenario\.squash\] here",
    ),
    "a name that is a path": ('name = "try"', 'name = "../try"', 1, "name"),
    "not TOML": ("duration_s = 40", "duration_s = 40 41", 14, "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert_refused(tmp_path, old, new, line, words)


HINTS = {
    "missing axis": "add, for example, clients = [1, 32, 200]",
}


@pytest.mark.parametrize(("case", "hint"), HINTS.items(), ids=HINTS)
def test_a_refusal_says_what_to_do(tmp_path: Path, case: str, hint: str) -> None:
    old, new, *_ = REFUSED[case]
    assert refusal(tmp_path, old, new).hint == hint
