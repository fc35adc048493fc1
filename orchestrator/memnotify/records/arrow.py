"""Columns of Arrow as arrays of numpy, and arrays as columns, both over the same memory.

pyarrow's own conversions, such as pa.array(), pa.scalar() and to_numpy(), import pandas if that is
installed, and take() and filter() of a column import pyarrow.compute. Either takes longer than to
write a log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from memnotify.records.log import Flags


def array_of(values: NDArray[Any], *, there: Flags | None = None) -> Any:
    """Return a column of numbers, with null where there is none."""
    known = None if there is None else pa.py_buffer(np.packbits(there, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [known, data])


def spread(values: NDArray[Any], there: Flags) -> Any:
    """Return a column with these values in the rows that are there, and null in the others."""
    form = np.dtype(np.int64) if values.dtype == np.uint64 else values.dtype
    column = np.zeros(there.size, form)
    column[there] = values.astype(form)
    return array_of(column, there=there)


def texts(values: NDArray[Any], there: Flags) -> tuple[Any, Any]:
    """Return such a column of texts, and the bytes that they stand for."""
    known, which = np.unique(values, return_inverse=True)
    written = [name.decode(errors="replace").encode() for name in known.tolist()]
    # take() of a column would do it, and would import pyarrow.compute for that.
    lengths = np.zeros(there.size, np.int32)
    lengths[there] = np.array([len(name) for name in written], np.int32)[which]
    data = b"".join([written[number] for number in which.tolist()])
    return _column_of_texts(lengths, data, there), np.array(written, values.dtype)[which]


def strings(written: Sequence[bytes]) -> Any:
    """Return a column of texts in UTF-8."""
    return _column_of_texts(np.array([len(name) for name in written]), b"".join(written))


def _column_of_texts(lengths: NDArray[Any], data: bytes, there: Flags | None = None) -> Any:
    """Return a column of texts whose bytes follow one another, with null where there is none."""
    known = None if there is None else pa.py_buffer(np.packbits(there, bitorder="little"))
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    buffers = [known, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(lengths), buffers)


def plain(column: Any) -> NDArray[Any]:
    """Return the numbers of a column; anything where it is null."""
    form = np.dtype(column.type.to_pandas_dtype())
    data = column.buffers()[1] if len(column) else b""
    return np.frombuffer(data, form, len(column), column.offset * form.itemsize)


def filled(column: Any, number: int, rows: Any = slice(None)) -> NDArray[Any]:
    """Return the numbers of a column in some rows, with `number` for null."""
    values: NDArray[Any] = plain(column)[rows]
    if not column.null_count:
        return values
    return np.where(_there(column, rows), values, values.dtype.type(number))


def _there(column: Any, rows: Any) -> Flags:
    """Return which of some rows of a column are not null."""
    known = column.buffers()[0]
    if known is None:
        everywhere: Flags = np.ones(len(column), bool)[rows]
        return everywhere
    bits = np.frombuffer(known, np.uint8)
    there = np.unpackbits(bits, count=column.offset + len(column), bitorder="little")
    found: Flags = there[column.offset :][rows].view(bool)
    return found


def bytes_of(column: Any, form: np.dtype[Any], rows: Any = slice(None)) -> NDArray[Any]:
    """Return the texts of a column in some rows as bytes of a fixed length, none for null.

    Too long a text is cut.
    """
    ends = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, 4 * column.offset)
    first, length = ends[:-1][rows], np.where(_there(column, rows), np.diff(ends)[rows], 0)
    within = np.arange(form.itemsize)
    places, known = first[:, np.newaxis] + within, within < length[:, np.newaxis]
    text = np.frombuffer(column.buffers()[2] or b"", np.uint8)
    found = np.zeros(known.shape, np.uint8)
    found[known] = text[places[known]]
    return found.view(form)[:, 0]
