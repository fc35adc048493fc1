"""Columns of Arrow made from arrays of numpy, and read as such."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from memnotify.records.arrow import array_of, bytes_of, filled, plain, spread, strings, texts

# More rows than bits of a byte, and no pattern that is the same backwards.
THERE = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1], bool)


def test_numbers_become_a_column_of_their_type() -> None:
    column = array_of(np.arange(11, dtype=np.uint32))
    assert (column.type, column.null_count) == (pa.uint32(), 0)
    assert column.to_pylist() == list(range(11))
    every_other = array_of(np.arange(6, dtype=np.int16)[::2])
    assert (every_other.type, every_other.to_pylist()) == (pa.int16(), [0, 2, 4])


def test_a_number_that_is_not_there_is_null() -> None:
    column = array_of(np.arange(11, dtype=np.uint16), there=THERE)
    assert column.to_pylist() == [0, 1, None, 3, None, None, None, 7, None, 9, 10]


def test_numbers_are_spread_over_the_rows_that_have_one() -> None:
    column = spread(np.array([5, 2**64 - 1, 7, 8, 9, 10], np.uint64), THERE)
    assert column.type == pa.int64()
    assert column.to_pylist() == [5, -1, None, 7, None, None, None, 8, None, 9, 10]
    small = spread(np.array([4], np.int32), np.array([False, True]))
    assert (small.type, small.to_pylist()) == (pa.int32(), [None, 4])


def test_texts_are_spread_and_what_is_no_text_is_replaced() -> None:
    values = np.array([b"Normal", b"DMA", b"\xffA", b"DMA", b"", b"Normal"], "S8")
    column, written = texts(values, THERE)
    assert column.type == pa.string()
    wanted = ["Normal", "DMA", None, "\ufffdA", None, None, None, "DMA", None, "", "Normal"]
    assert column.to_pylist() == wanted
    assert written.dtype == values.dtype
    sure = ["Normal", "DMA", "\ufffdA", "DMA", "", "Normal"]
    assert written.tolist() == [text.encode() for text in sure]


def test_a_column_of_texts() -> None:
    column = strings([b"a", b"", "zwölf".encode(), b"last"])
    assert (column.type, column.to_pylist()) == (pa.string(), ["a", "", "zwölf", "last"])
    assert strings([]).to_pylist() == []


@pytest.mark.parametrize("first", [0, 1, 9])
def test_a_part_of_a_column_is_read_from_where_it_begins(first: int) -> None:
    numbers = pa.array([None if n % 3 == 2 else n for n in range(20)], pa.uint16()).slice(first)
    rest = list(range(first, 20))
    found = filled(numbers, 77)
    assert found.dtype == np.uint16
    assert found.tolist() == [77 if n % 3 == 2 else n for n in rest]
    assert filled(numbers, 77, slice(1, 6)).tolist() == found.tolist()[1:6]
    chosen = np.array([5, 0, 3])
    assert filled(numbers, 77, chosen).tolist() == found[chosen].tolist()
    every = pa.array(range(20), pa.int64()).slice(first)
    assert plain(every).tolist() == rest
    assert filled(every, 77).dtype == np.int64
    assert filled(every, 77, chosen).tolist() == [first + 5, first, first + 3]


@pytest.mark.parametrize("first", [0, 1, 9])
def test_texts_are_read_as_bytes_of_one_length(first: int) -> None:
    form = np.dtype("S4")
    words = [None if n % 3 == 2 else f"{n}" * (n % 5) for n in range(20)]
    column = pa.array(words, pa.string()).slice(first)
    wanted = [(word or "").encode()[:4] for word in words][first:]
    assert bytes_of(column, form).tolist() == wanted
    assert bytes_of(column, form, slice(2, 7)).tolist() == wanted[2:7]
    chosen = np.array([5, 0, 3])
    assert bytes_of(column, form, chosen).tolist() == [wanted[n] for n in chosen]
    whole = pa.array([f"{n}" for n in range(20)]).slice(first)
    found = bytes_of(whole, form, chosen)
    assert found.dtype == form
    assert found.tolist() == [f"{first + n}".encode() for n in (5, 0, 3)]


def test_columns_without_rows_or_without_texts() -> None:
    assert plain(pa.array([], pa.uint32())).tolist() == []
    bare = pa.Array.from_buffers(pa.uint32(), 0, [None, None])
    assert plain(bare).dtype == np.uint32
    assert plain(bare).size == 0
    assert filled(pa.nulls(3, pa.int32()), -1).tolist() == [-1, -1, -1]
    assert bytes_of(pa.nulls(2, pa.string()), np.dtype("S3")).tolist() == [b"", b""]
