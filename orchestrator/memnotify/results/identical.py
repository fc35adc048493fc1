"""Compares the logs of two series record by record, such as an original with our version of it."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memnotify.records.compare import Agreement, Comparison, compare
from memnotify.records.difference import first_difference
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.series.registered import asked_for
from memnotify.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLog:
    """The log of a cell, by the cell's id. It does not depend on the host.

    `order` is a digest of the kinds of its records, in their order: two logs that differ in it
    differ. `lacking`: records are lost or torn.
    """

    id: str
    file: Path
    order: str
    lacking: bool


def order_of(kinds: NDArray[np.uint16]) -> str:
    """Return the digest of the kinds of all records of some kinds."""
    return hashlib.blake2b(np.ascontiguousarray(kinds).tobytes(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """How the logs of one group compare with those of another, counted in pairs.

    `times`: the same records at different times, at most `greatest_ns` apart. `lost`: one of the
    two logs is incomplete, so the pair is undecided. `first` says which cells the first pair is
    that is not identical, and where they first differ.
    """

    group: str
    versus: str
    pairs: int
    identical: int
    times: int
    different: int
    lost: int
    greatest_ns: int
    first: str | None

    @property
    def is_news(self) -> bool:
        """Whether to report it: always for an original, otherwise only if all are identical."""
        return asked_for(self.group) is not None or self.identical == self.pairs

    def sentence(self) -> str:
        """Return the text for the report."""
        runs = f"{self.group} against {self.versus}, record by record: "
        if self.identical == self.pairs:
            return f"{runs}identical" + (f" in all {self.pairs} runs" if self.pairs > 1 else "")
        how = [f"identical in {self.identical} of {counted(self.pairs, 'run')}"]
        if self.times:
            how.append(
                f"same records at different times in {self.times} (up to {self.greatest_ns:,} ns)"
            )
        how += [f"different in {self.different}"] if self.different else []
        how += [f"unknown in {self.lost}, whose logs lost records"] if self.lost else []
        return runs + ", ".join(how) + (f"; first {self.first}" if self.first else "")

    def row(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return asdict(self)


def compare_logs(groups: Mapping[str, Mapping[Hashable, CellLog]]) -> Iterator[Alike]:
    """Yield for each group but the first how its logs compare, point by point.

    An original is compared with the series of ours that was made from it, if that is among the
    groups; any other group with the first. Raises InputError if a log cannot be read.
    """
    reference = next(iter(groups))
    for group, logs in groups.items():
        own = asked_for(group)
        versus = own if own is not None and own in groups else reference
        both = [point for point in logs if point in groups[versus]]
        if group != versus and both:
            yield _pairs(group, versus, [(groups[versus][point], logs[point]) for point in both])


def _pairs(group: str, versus: str, pairs: list[tuple[CellLog, CellLog]]) -> Alike:
    counts = dict.fromkeys([*Agreement, "lost"], 0)
    greatest = 0
    first: str | None = None
    for one, other in pairs:
        agreement: str = Agreement.DIFFERS
        if one.lacking or other.lacking:
            agreement = "lost"
        elif one.order == other.order:
            mine, theirs = (read_records(log.file).records for log in (one, other))
            found = compare(mine, theirs, VIEWS)
            agreement, greatest = found.agreement, max(greatest, _apart(found))
        counts[agreement] += 1
        if first is None and agreement in (Agreement.TIMES, Agreement.DIFFERS):
            first = f"{one.id} and {other.id}, {first_difference(one.file, other.file)}"
    return Alike(
        group=group,
        versus=versus,
        pairs=len(pairs),
        identical=counts[Agreement.EXACT],
        times=counts[Agreement.TIMES],
        different=counts[Agreement.DIFFERS],
        lost=counts["lost"],
        greatest_ns=greatest,
        first=first,
    )


def _apart(found: Comparison) -> int:
    return found.greatest_ns if found.agreement == Agreement.TIMES else 0
