"""The promises of a revision of the series, and its origin, as data.

Both are in patches/mem_notify/<revision>/revision.toml; patches/README.md has the keys.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from memnotify import toml
from memnotify.errors import InputError
from memnotify.series.own import is_own, promises_file
from memnotify.series.quilt import MEM_NOTIFY, NONE, bases_of
from memnotify.series.registered import load_registered, revision_of
from memnotify.text import known_names

FILE = "revision.toml"

_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_Name = Annotated[str, Field(max_length=64)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Line = Annotated[str, toml.spelled(r"\S(.*\S)?", "one line of text")]


class Lineage(toml.Table):
    """Where a revision comes from.

    `follows` names the revision that it was made from, `posted_against` the tree. `mails` has the
    Message-Id of each part for which it is known.
    """

    date: datetime.date
    author: _Line
    changed: _Line
    subject: _Line | None = None
    follows: _Line | None = None
    posted_against: _Line | None = None
    mails: dict[
        _Line, Annotated[str, toml.spelled(r"[^<>\s]+", "a Message-Id without angle brackets")]
    ] = Field(default_factory=dict)


class Device(toml.Table):
    """The character device; `mode` is that of its node."""

    path: Annotated[str, toml.spelled(r"/dev/\S+", "a path below /dev/")]
    major: _Count
    minor: _Count
    mode: Annotated[int, Field(ge=0, le=0o777)]


class GateTable(toml.Table):
    """Memory is low at or below factor * (watermark + lowmem_reserve[MAX_NR_ZONES-1]) free pages.

    `mark` selects the watermark. `of` is one zone, or the `sum` of all zones; that includes high
    memory only if `highmem`. `strict`: only below that value, not at it.
    """

    factor: Annotated[int, Field(ge=1, le=1_000)]
    of: Literal["zone", "sum"]
    mark: Literal["low", "high"] = "high"
    strict: bool = False
    highmem: bool = False

    @model_validator(mode="after")
    def _highmem_of_sum(self) -> Self:
        if self.of == "zone" and "highmem" in self.model_fields_set:
            raise ValueError('of = "zone" has no highmem')
        return self


class RateTable(toml.Table):
    """No two notifications within `ms` milliseconds, in the whole system or on one CPU.

    `strict`: nor exactly `ms` after one, which is a difference of one tick.
    """

    ms: Annotated[int, Field(ge=1, le=86_400_000)]
    of: Literal["system", "cpu"]
    strict: bool = False


class StatusTable(toml.Table):
    """What poll() tests as the status.

    `zone`: one per zone, set by a notification from it and cleared when its memory has recovered.
    `taken`: a global one, set by a notification; the poll() that finds it set clears it. `unread`:
    one per open file: whether there was a notification since it was opened or last read. `swapped`:
    a global one, which a timer of `ms` updates: whether pages were swapped out since it last ran.
    """

    kind: Literal["zone", "taken", "unread", "swapped"]
    ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None

    @model_validator(mode="after")
    def _timer(self) -> Self:
        if self.kind == "swapped" and self.ms is None:
            raise ValueError('kind = "swapped" needs ms')
        if self.kind != "swapped" and self.ms is not None:
            raise ValueError(f'kind = "{self.kind}" has no ms')
        return self


class ConstantGuard(toml.Table):
    """An open file gets no second POLLIN within `seconds`."""

    kind: Literal["constant"]
    seconds: _Seconds

    def seconds_for(self, watchers: int) -> float:
        """Return the seconds; they do not depend on the number of watchers."""
        return self.seconds


class PerWatcherGuard(toml.Table):
    """As ConstantGuard, but min(seconds * watchers, at_most_s)."""

    kind: Literal["per_watcher"]
    seconds: _Seconds
    at_most_s: _Seconds

    def seconds_for(self, watchers: int) -> float:
        """Return the seconds for this number of files open on the device."""
        return min(self.seconds * watchers, self.at_most_s)


class BatchTable(toml.Table):
    """The watchers that a notification wakes.

    `none`: no watcher. `all`: every watcher. `fifo`: those that have waited longest,
    clamp((watchers >> shift) + plus, at_least, at_most) of them; with `divisor`, watchers //
    divisor replaces the shift.
    """

    order: Literal["none", "all", "fifo"]
    shift: _Count | None = None
    divisor: Annotated[int, Field(ge=1)] | None = None
    plus: _Count = 0
    at_least: _Count = 0
    at_most: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _formula(self) -> Self:
        if self.order == "fifo" and (self.shift is None) == (self.divisor is None):
            raise ValueError('order = "fifo" needs either shift or divisor')
        given = self.model_fields_set & {"shift", "divisor", "plus", "at_least", "at_most"}
        if self.order != "fifo" and given:
            raise ValueError(f'order = "{self.order}" has no {", ".join(sorted(given))}')
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError("at_most is less than at_least")
        return self

    def limit(self, watchers: int) -> int:
        """Return how many one notification wakes at most, for this number of open files."""
        if self.order == "none":
            return 0
        if self.order == "all":
            return watchers
        part = watchers // self.divisor if self.divisor else watchers >> (self.shift or 0)
        nr = max(part + self.plus, self.at_least)
        return nr if self.at_most is None else min(nr, self.at_most)


class Revision(toml.Table):
    """The promises of a file; it omits what a revision does not have.

    `pollin` is what poll() tests. If that does not include the gate, notifications test the gate.
    `throttle`: one poll() per tick gets as far as the gate. `small_zone_divisor`: a zone with less
    than this part of its node's pages has the status -1 and is ignored. `fasync`: how the share of
    a batch that gets SIGIO is rounded. `zoneinfo`: the position of mem_notify_status in
    /proc/zoneinfo. `based_on`: a revision that has the same promises, except for those given here
    and those listed in `without`.
    """

    device: Device
    gate: GateTable
    batch: BatchTable
    pollin: Literal["status", "gate", "status and gate", "status or gate"]
    status: StatusTable = StatusTable(kind="zone")
    rate: RateTable | None = None
    throttle: Literal["tick"] | None = None
    guard: Annotated[ConstantGuard | PerWatcherGuard, Field(discriminator="kind")] | None = None
    small_zone_divisor: Annotated[int, Field(ge=2)] | None = None
    fasync: Literal["truncate", "ceil"] | None = None
    zoneinfo: Literal["before_start_pfn", "after_start_pfn"] | None = None
    based_on: _Name | None = None
    without: list[str] = Field(default_factory=list)
    lineage: Lineage | None = None

    @field_validator("status")
    @classmethod
    def _asked(cls, status: StatusTable, others: ValidationInfo) -> StatusTable:
        if others.data.get("pollin") == "gate":
            raise ValueError('pollin = "gate" does not look at the status')
        return status

    @field_validator("small_zone_divisor", "zoneinfo")
    @classmethod
    def _of_zones(cls, value: Any, others: ValidationInfo) -> Any:
        status = others.data.get("status")
        if others.data.get("pollin") == "gate" or (status and status.kind != "zone"):
            raise ValueError('requires status = { kind = "zone" }')
        return value

    @field_validator("fasync")
    @classmethod
    def _of_batches(cls, value: Any, others: ValidationInfo) -> Any:
        batch = others.data.get("batch")
        if batch and batch.order != "fifo":
            raise ValueError('requires batch.order = "fifo"')
        return value

    def guard_s(self, watchers: int) -> float:
        """Return the seconds within which no file gets a second POLLIN; 0 without a guard."""
        return self.guard.seconds_for(watchers) if self.guard else 0.0

    def shares(self, watchers: int, fasync: int) -> tuple[int, int]:
        """Return how many of a batch get SIGIO at most, and how many pollers wake at most.

        `fasync` of the `watchers` have FASYNC set. Raises ZeroDivisionError where the kernel also
        divides by zero.
        """
        signals, polls = 0, self.batch.limit(watchers)
        if self.fasync == "truncate":
            signals = polls * fasync // watchers
            polls -= signals
        elif self.fasync == "ceil":
            if not watchers:
                return 0, 0
            groups = (fasync, watchers - fasync)
            signals, polls = (min(-(-polls * n // watchers), n) for n in groups)
        # wake_up_locked_nr() takes 0 as everyone in the queue, including pollers with FASYNC.
        return signals, polls or watchers


class _Own(toml.Table):
    """The keys that no other revision inherits."""

    based_on: _Name | None = None
    without: list[str] = Field(default_factory=list)
    lineage: Lineage | None = None


def load_revision(revision: str, *, root: Path = MEM_NOTIFY) -> Revision | None:
    """Return the promises of a revision; None if none are on file.

    Originals that the user has registered have the promises of their revision. Raises InputError if
    there is no such revision, or if its file, or one that it is based on, is wrong.
    """
    _, path = _told_by(revision, root)
    if not path.exists():
        if revision != NONE:
            bases_of(revision, root=root)
        return None
    data, lines = toml.read(path)
    if set(data) == {"lineage"}:
        return None
    value = _inherited(path, data, lines, root, ())
    return toml.check(Revision, value, path=path, lines=lines)


def load_lineage(revision: str, *, root: Path = MEM_NOTIFY) -> Lineage | None:
    """Return where a revision comes from, if its file states that. Raises InputError.

    Originals that the user has registered are shown as successors of their revision.
    """
    teller, path = _told_by(revision, root)
    if not path.exists():
        return None
    data, lines = toml.read(path)
    lineage = _own(path, data, lines).lineage
    if lineage is None or teller == revision:
        return lineage
    told = {"follows": teller, "changed": _as_posted(revision), "mails": {}}
    return lineage.model_copy(update=told)


def _told_by(revision: str, root: Path) -> tuple[str, Path]:
    """Return the revision whose file describes a series, and the file, whether it exists or not.

    That is the series itself or, for registered originals, their revision.
    """
    path = root / revision / FILE
    if root == MEM_NOTIFY and is_own(revision):
        return revision, promises_file(revision)
    if root == MEM_NOTIFY and not path.exists():
        teller = revision_of(revision) or revision
        return teller, root / teller / FILE
    return revision, path


def _as_posted(name: str) -> str:
    """Return a sentence on whether the patches of a registered series are those posted."""
    mails = [mail for base in bases_of(name) for mail in load_registered(name, base).mails]

    def of(verdict: str) -> str:
        own = f"{revision_of(name)} "
        told = (mail["label"] for mail in mails if mail["verdict"] == verdict)
        labels = (str(label).removeprefix(own) for label in told)
        return ", ".join(dict.fromkeys(labels))

    other = of("another text")
    how = f"with another text than was posted: {other}" if other else "as they were posted"
    changed = f"The patches of the mails, {how}"
    if unknown := of("no digest on file"):
        changed += f"; it is unknown whether {unknown} is the text that was posted"
    return f"{changed}."


def _own(path: Path, data: dict[str, Any], lines: toml.LineNumbers) -> _Own:
    own = {key: value for key, value in data.items() if key in _Own.model_fields}
    return toml.check(_Own, own, path=path, lines=lines)


def _inherited(
    path: Path, data: dict[str, Any], lines: toml.LineNumbers, root: Path, heirs: tuple[Path, ...]
) -> dict[str, Any]:
    """Return the data of a file with the promises that it inherits. `heirs` are based on it."""

    def refusal(key: toml.Key, message: str, hint: str | None = None) -> InputError:
        where = f"{toml.dotted(key)}: {message}"
        return InputError(where, file=path, line=lines.nearest(key), hint=hint)

    own = _own(path, data, lines)
    base = own.based_on
    if base is None:
        if own.without:
            raise refusal(("without",), "only allowed with based_on")
        return data
    # A series outside the package may be based on one in it.
    above = next((f for f in _files_of(base, root) if f.exists()), None)
    if above is None:
        known = sorted(file.parent.name for file in root.glob(f"*/{FILE}"))
        hint = known_names(base, known)
        raise refusal(("based_on",), f"there is no {FILE} of a series {base}", hint)
    if above in (*heirs, path):
        raise refusal(("based_on",), f"{base} is itself based on {path.parent.name}")
    theirs, their_lines = toml.read(above)
    theirs = _inherited(above, theirs, their_lines, root, (*heirs, path))
    toml.check(Revision, theirs, path=above, lines=their_lines)
    promises = {key: value for key, value in theirs.items() if key not in _Own.model_fields}
    for place, key in enumerate(own.without):
        if key not in promises:
            hint = known_names(key, sorted(promises))
            raise refusal(("without", place), f"{base} does not promise {key}", hint)
        del promises[key]
    return {**promises, **data}


def _files_of(revision: str, root: Path) -> tuple[Path, Path]:
    return root / revision / FILE, MEM_NOTIFY / revision / FILE
