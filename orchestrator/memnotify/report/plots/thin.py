"""Reduces data to what a picture can show, so that its size has a bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memnotify.records.log import Ints
from memnotify.results.course import Floats, Wakeups

POINTS = 1_200
"""The most points of a curve. There are no more than two for each pixel of a picture's width."""

MARKS = 4_000
"""The most marks of a raster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """The most points of a curve, and the most marks of a raster, in one picture."""

    points: int = POINTS
    marks: int = MARKS


ALL = Most()


def thin(t: Floats, values: Floats, most: int = POINTS) -> tuple[Floats, Floats]:
    """Return at most `most` of the points of a curve: it looks the same.

    Time is cut into equal intervals, and the first, the last, the least and the greatest of each
    are kept, so that no spike is lost.
    """
    if t.size <= most:
        return t, values
    kept = _extremes(t, values, max(1, most // 4))
    return t[kept], values[kept]


def _extremes(t: Floats, values: Floats, intervals: int) -> Ints:
    span = float(t[-1] - t[0]) or 1.0
    place = np.minimum(((t - t[0]) / span * intervals).astype(np.int64), intervals - 1)
    first = np.flatnonzero(np.diff(place, prepend=-1))
    last = np.append(first[1:], t.size) - 1
    least, greatest = (np.lexsort((key, place))[first] for key in (values, -values))
    return np.unique(np.concatenate([first, last, least, greatest]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raster:
    """Wakeups as marks: one each, or one for all of a kind in a field of time and clients.

    `t` and `client` are the middle of the field, `count` how many wakeups it holds, and `record`
    the first of them. `seconds` and `clients` are the size of the fields; 0 if each is a wakeup.
    """

    t: Floats
    client: Floats
    kind: tuple[str, ...]
    record: Ints
    count: Ints
    seconds: float
    clients: int


def raster(wakeups: Wakeups, *, most: int = MARKS) -> Raster:
    """Return at most `most` marks."""
    ones = np.ones(wakeups.t.size, np.int64)
    if wakeups.t.size <= most:
        return Raster(
            t=wakeups.t,
            client=wakeups.client.astype(np.float64),
            kind=wakeups.kind,
            record=wakeups.record,
            count=ones,
            seconds=0.0,
            clients=0,
        )
    names = sorted(set(wakeups.kind))
    numbers = {name: number for number, name in enumerate(names)}
    kinds = np.array([numbers[kind] for kind in wakeups.kind], np.int64)
    span = float(wakeups.t[-1] - wakeups.t[0]) or 1.0
    across, up = 600, 100
    while True:
        seconds = span / across
        clients = -(-(int(wakeups.client.max()) + 1) // up)
        column = np.minimum(((wakeups.t - wakeups.t[0]) / seconds).astype(np.int64), across - 1)
        row = wakeups.client // clients
        # One number for each field: much quicker to sort than three.
        rows = int(row.max()) + 1
        places, first, count = np.unique(
            (kinds * across + column) * rows + row, return_index=True, return_counts=True
        )
        if places.size <= most:
            break
        across, up = max(1, across * 3 // 4), max(1, up * 3 // 4)
    kind_of, column_of, row_of = places // (across * rows), places // rows % across, places % rows
    return Raster(
        t=wakeups.t[0] + (column_of + 0.5) * seconds,
        client=(row_of + 0.5) * clients - 0.5,
        kind=tuple(names[kind] for kind in kind_of.tolist()),
        record=wakeups.record[first],
        count=count.astype(np.int64),
        seconds=seconds,
        clients=clients,
    )
