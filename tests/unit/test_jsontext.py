"""JSON in parts is what it is in one piece, and comes after all errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memnotify.jsontext import dump, dumped_rows

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


def test_an_error_comes_before_any_output() -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise ValueError("the second is damaged")

    with pytest.raises(ValueError, match="damaged"):
        dumped_rows(rows())
