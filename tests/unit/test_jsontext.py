"""JSON in parts is what it is in one piece, and comes after all errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memnotify.jsontext import by_key, dump, dumped_rows, parse

ROWS: list[Any] = [
    {"id": "a\n b", "figures": [1, {"of": []}], "unknown": float("nan")},
    [],
    {},
    None,
    [[1, 2], {"x": {"y": "漢\u2028"}}],
]


@pytest.mark.parametrize("count", range(len(ROWS) + 1))
def test_rows_in_parts_are_the_list(count: int) -> None:
    some = ROWS[:count]
    assert "".join(dumped_rows(iter(some))) == dump(some)


def test_an_object_has_a_line_for_each_key() -> None:
    value = {
        "n": -7,
        "big": 2**70,
        "yes": True,
        "none": None,
        "text": 'a\n"b"',
        "half": 0.5,
        "unknown": float("inf"),
        "l": [1, None],
        "d": {"x": {"y": 1}},
        'a "key"': 0,
    }
    text = by_key(value)
    assert parse(text) == {**value, "unknown": None}
    lines = text.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("{", "}", len(value) + 2)
    assert lines[3] == ' "yes": true,' and text.endswith("\n}\n")


def test_an_error_comes_before_any_output() -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise ValueError("the second is damaged")

    with pytest.raises(ValueError, match="damaged"):
        dumped_rows(rows())
