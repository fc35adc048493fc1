"""The promises of a revision of the series, and its origin, as data.

Both are in patches/mem_notify/<revision>/revision.toml; patches/README.md has the keys.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from memnotify import toml
from memnotify.errors import InputError
from memnotify.places import only_one
from memnotify.series.own import is_own, promises_file
from memnotify.series.quilt import MEM_NOTIFY, NONE, bases_of, roots
from memnotify.series.registered import load_registered, revision_of
from memnotify.text import known_names

FILE = "revision.toml"

_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_Name = Annotated[str, Field(max_length=64)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Line = Annotated[str, toml.spelled(r"\S(.*\S)?", "one line of text")]


def _may(description: str) -> Any:
    """Return a field that may be left out."""
    return Field(default=None, description=description)


def _or_inherited(schema: dict[str, Any]) -> None:
    lineage_alone = {"required": ["lineage"], "maxProperties": 1}
    schema["anyOf"] = [
        {"required": schema.pop("required")},
        {"required": ["based_on"]},
        lineage_alone,
    ]


class Lineage(toml.Table):
    """Where a revision comes from; `memnotify series list` prints it."""

    date: datetime.date = Field(description="The day on which it was posted.")
    author: _Line = Field(description="Who posted it.")
    changed: _Line = Field(description="What it changed, in one line.")
    subject: _Line | None = _may("The subject of its mail.")
    follows: _Line | None = _may("The revision that it was made from.")
    posted_against: _Line | None = _may("The tree or revision that its patches were made for.")
    mails: dict[
        _Line, Annotated[str, toml.spelled(r"[^<>\s]+", "a Message-Id without angle brackets")]
    ] = Field(default_factory=dict, description="The Message-Id of each part, if it is known.")


class Device(toml.Table):
    """The character device."""

    path: Annotated[str, toml.spelled(r"/dev/\S+", "a path below /dev/")] = Field(
        description="The path of its node."
    )
    major: _Count = Field(description="Its major number.")
    minor: _Count = Field(description="Its minor number.")
    mode: Annotated[int, Field(ge=0, le=0o777)] = Field(
        description="The permissions of its node, such as 0o444."
    )


class GateTable(toml.Table):
    """Memory is low at or below factor * (mark + lowmem_reserve[MAX_NR_ZONES-1]) free pages."""

    factor: Annotated[int, Field(ge=1, le=1_000)] = Field(description="The factor.")
    of: Literal["zone", "sum"] = Field(description="Of one zone, or of all zones together.")
    mark: Literal["low", "high"] = Field(default="high", description="Which watermark.")
    strict: bool = Field(default=False, description="Only below that number, not at it.")
    highmem: bool = Field(default=False, description="The sum includes high memory.")

    @model_validator(mode="after")
    def _highmem_of_sum(self) -> Self:
        if self.of == "zone" and "highmem" in self.model_fields_set:
            raise ValueError('of = "zone" has no highmem')
        return self


class RateTable(toml.Table):
    """No two notifications within a time."""

    ms: Annotated[int, Field(ge=1, le=86_400_000)] = Field(description="Milliseconds of that time.")
    of: Literal["system", "cpu"] = Field(description="In the whole system, or on one CPU.")
    strict: bool = Field(
        default=False, description="Nor exactly that time after one, a difference of one tick."
    )


class StatusTable(toml.Table):
    """What poll() tests as the status.

    `zone`: one per zone, set by a notification from it and cleared when its memory has recovered.
    `taken`: a global one, set by a notification; the poll() that finds it set clears it. `unread`:
    one per open file: whether there was a notification since it was opened or last read. `swapped`:
    a global one, which a timer of `ms` updates: whether pages were swapped out since it last ran.
    """

    kind: Literal["zone", "taken", "unread", "swapped"] = Field(description="Which of them.")
    ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = _may(
        "Milliseconds from one run of the timer to the next (swapped)."
    )

    @model_validator(mode="after")
    def _timer(self) -> Self:
        if self.kind == "swapped" and self.ms is None:
            raise ValueError('kind = "swapped" needs ms')
        if self.kind != "swapped" and self.ms is not None:
            raise ValueError(f'kind = "{self.kind}" has no ms')
        return self


class ConstantGuard(toml.Table):
    """An open file gets no second POLLIN within `seconds`."""

    kind: Literal["constant"] = Field(description="The same time for all.")
    seconds: _Seconds = Field(description="Seconds.")

    def seconds_for(self, watchers: int) -> float:
        """Return the seconds; they do not depend on the number of watchers."""
        return self.seconds


class PerWatcherGuard(toml.Table):
    """As ConstantGuard, but min(seconds * watchers, at_most_s)."""

    kind: Literal["per_watcher"] = Field(description="A time that grows with the open files.")
    seconds: _Seconds = Field(description="Seconds for each file that is open on the device.")
    at_most_s: _Seconds = Field(description="Seconds at most.")

    def seconds_for(self, watchers: int) -> float:
        """Return the seconds for this number of files open on the device."""
        return min(self.seconds * watchers, self.at_most_s)


class BatchTable(toml.Table):
    """The watchers that a notification wakes.

    `none`: no watcher. `all`: every watcher. `fifo`: those that have waited longest,
    clamp((watchers >> shift) + plus, at_least, at_most) of them; with `divisor`, watchers //
    divisor replaces the shift.
    """

    order: Literal["none", "all", "fifo"] = Field(description="Who is woken.")
    shift: _Count | None = _may("Bits by which the number of watchers is shifted right.")
    divisor: Annotated[int, Field(ge=1)] | None = _may("What divides it, instead of a shift.")
    plus: _Count = Field(default=0, description="What is added to that.")
    at_least: _Count = Field(default=0, description="Watchers at least.")
    at_most: Annotated[int, Field(ge=1)] | None = _may("Watchers at most.")

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

    def formula(self, watchers: int) -> str:
        """Return how the kernel comes to that number, such as `max(200/16, 100)`."""
        if self.order != "fifo":
            return f"{self.limit(watchers)}"
        text = f"{watchers}/{self.divisor or 1 << (self.shift or 0)}"
        text += f" + {self.plus}" if self.plus else ""
        text = f"max({text}, {self.at_least})" if self.at_least else text
        return text if self.at_most is None else f"min({text}, {self.at_most})"


class Revision(toml.Table):
    """What a revision promises, and where it comes from; it omits what the revision does not have.

    `memnotify check` compares the logs of a run with it.
    """

    device: Device = Field(description="The device that is promised.")
    gate: GateTable = Field(description="When memory is low.")
    batch: BatchTable = Field(description="Which clients a notification wakes.")
    pollin: Literal["status", "gate", "status and gate", "status or gate"] = Field(
        description="What poll() tests; without the gate, notifications test that."
    )
    status: StatusTable = Field(
        default=StatusTable(kind="zone"), description="What poll() tests as the status."
    )
    rate: RateTable | None = _may("How soon a notification may follow another.")
    throttle: Literal["tick"] | None = _may("One poll() per tick gets as far as the gate.")
    guard: Annotated[ConstantGuard | PerWatcherGuard, Field(discriminator="kind")] | None = _may(
        "How soon an open file may have POLLIN again."
    )
    small_zone_divisor: Annotated[int, Field(ge=2)] | None = _may(
        "A zone with less than this part of its node's pages has the status -1 and is ignored."
    )
    fasync: Literal["truncate", "ceil"] | None = _may(
        "FASYNC works; how the share of a batch that gets SIGIO is rounded."
    )
    zoneinfo: Literal["before_start_pfn", "after_start_pfn"] | None = _may(
        "mem_notify_status is in /proc/zoneinfo, at this place."
    )
    based_on: _Name | None = _may("A revision whose promises hold, except the keys given here.")
    without: list[str] = Field(
        default_factory=list, description="With based_on: promises of that one that do not hold."
    )
    lineage: Lineage | None = _may("Where the revision comes from; no other inherits it.")

    # What is required may come from the revision that it is based on.
    model_config = ConfigDict(json_schema_extra=_or_inherited)

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
    if root == MEM_NOTIFY and is_own(revision):
        return revision, promises_file(revision)
    path = _file_of(revision, root)
    if root == MEM_NOTIFY and not path.exists():
        teller = revision_of(revision) or revision
        return teller, _file_of(teller, root)
    return revision, path


def _file_of(revision: str, root: Path) -> Path:
    """Return the file of a revision, whether it exists or not. Raises InputError for several."""
    there = [file for at in roots(root) if (file := at / revision / FILE).exists()]
    return only_one(there, f"{FILE} of {revision}") or root / revision / FILE


def _as_posted(name: str) -> str:
    """Return a sentence on whether the patches of a registered series are those posted."""
    mails = [mail for base in bases_of(name) for mail in load_registered(name, base).mails]

    def of(verdict: str) -> str:
        own = f"{revision_of(name)} "
        told = (mail["label"] for mail in mails if mail["verdict"] == verdict)
        labels = (str(label).removeprefix(own) for label in told)
        return ", ".join(dict.fromkeys(labels))

    other = of("another text")
    how = f"with a changed text: {other}" if other else "as they were posted"
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
        known = sorted(file.parent.name for at in roots(root) for file in at.glob(f"*/{FILE}"))
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
    return _file_of(revision, root), _file_of(revision, MEM_NOTIFY)
