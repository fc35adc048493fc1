"""The same work on many files, on all cores that we may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from memnotify import host

T = TypeVar("T")
R = TypeVar("R")

_EACH = 16
"""Work for fewer files than this is done before another thread has begun."""


def each(work: Callable[[T], R], things: Sequence[T]) -> Iterator[R]:
    """Yield the result for each thing, in their order; an error is raised in its turn.

    In threads: reading a file and decoding it happen outside of Python's lock, and so do numpy's
    larger operations. Nothing outlives the iteration, however that ends.
    """
    threads = min(host.cores(), len(things) // _EACH)
    if threads < 2:
        yield from map(work, things)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, things)
        finally:
            pool.shutdown(cancel_futures=True)
