"""What one guest went through, as curves over time: the data of a picture of its timeline.

All times are seconds since the scenario's start. Memory is in MiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from memnotify.axes import Value
from memnotify.check.metrics import WakeupBatch, measure
from memnotify.check.reaction import gate_crossing
from memnotify.errors import InputError
from memnotify.guest.mailbox import step_from_json
from memnotify.model import Outcome
from memnotify.places import command
from memnotify.records.clients import notified
from memnotify.records.layout import BalloonPhase, Kind
from memnotify.records.log import Ints, RecordLog, Records, indexes, ints
from memnotify.records.parquet import read_records
from memnotify.records.zones import each_zone, gate_of
from memnotify.results.folder import MANIFEST, RECORDS, read_manifest, read_verdict
from memnotify.results.manifest import Manifest
from memnotify.results.timeline import timeline
from memnotify.results.verdict import Verdict
from memnotify.scenario import (
    Action,
    Balloon,
    ClientKind,
    Clients,
    Dd,
    FileCache,
    Group,
    Hog,
    Stop,
    Swappiness,
)
from memnotify.text import counted
from memnotify.units import KIB_PER_MIB, NS_PER_S, PAGES_PER_MIB

Floats = NDArray[np.float64]

_WORDS: Mapping[ClientKind, str] = MappingProxyType(
    {
        ClientKind.FASYNC: "SIGIO",
        ClientKind.EPOLL: "epoll",
        ClientKind.PSI: "PSI",
        ClientKind.PRESSURE_LEVEL: "pressure_level",
        ClientKind.MEMORY_EVENTS: "memory.events",
    }
)
POLLIN = "POLLIN"
"""How clients of every other kind are notified."""

NOTICES = (POLLIN, *_WORDS.values())
"""What a wakeup can be, in the order of legends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """A quantity over time."""

    name: str
    t: Floats
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ZoneCourse:
    """A zone: its free memory, its gate (v4's), and the spans in which its status was 1."""

    name: str
    free: Line
    gate: Line
    noticed: tuple[tuple[float, float], ...]

    @property
    def low_s(self) -> float:
        """For how long the samples show it at or below its gate."""
        steps = np.diff(self.free.t, append=self.free.t[-1:])
        return float(steps[self.free.values <= self.gate.values].sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wakeups:
    """Every notification, by time: of which client, of what kind, and the number of its record."""

    t: Floats
    client: Ints
    kind: tuple[str, ...]
    record: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment with a name: the start of a step, or a finding."""

    t: float
    text: str
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """One guest. `gate_s` is when the first zone came down to its gate; None if that is unknown.

    `lines` has the curves other than those of zones: `page cache`, `anonymous`, `swap in use`,
    `balloon target`, `left by the balloon`, `swapped in`, `swapped out` (pages per second) and
    `runnable` (tasks). A curve that the log does not have is absent.
    """

    id: str
    name: str
    point: Mapping[str, Value]
    outcome: Outcome
    end_s: float
    gate_s: float | None
    clients: int
    zones: tuple[ZoneCourse, ...]
    lines: Mapping[str, Line]
    wakeups: Wakeups
    batches: tuple[WakeupBatch, ...]
    steps: tuple[Moment, ...]
    findings: tuple[Moment, ...]
    records: int
    lost: int

    @property
    def series(self) -> str:
        return str(self.point["series"])

    @property
    def greatest(self) -> int:
        """The size of the largest batch."""
        return max((batch.wakeups for batch in self.batches), default=0)

    @property
    def woken(self) -> int:
        """How many clients were notified at least once."""
        return int(np.unique(self.wakeups.client).size)


def course_of(folder: Path) -> Course:
    """Return the course of the cell whose results are in a folder.

    Raises InputError if the results are damaged, or the cell left no log with samples.
    """
    found = course_if_any(folder)
    if found is None:
        raise InputError(
            f"{folder.name} left no log with samples, so there is nothing to draw",
            hint=f"{command('show')} says how it ended",
        )
    return found


def course_if_any(folder: Path, log: RecordLog | None = None) -> Course | None:
    """Return the same, or None if the cell left no log with samples; `log`: it has been read."""
    if not (file := folder / RECORDS).exists():
        return None
    log = read_records(file) if log is None else log
    if not log.kind(Kind.MEMINFO).size and not log.kind(Kind.ZONE).size:
        return None
    try:
        return course(log, read_verdict(folder), read_manifest(folder))
    except ValueError as error:
        text = f"not a manifest in the format of this version of memnotify: {error}"
        file = folder / MANIFEST
        raise InputError(" ".join(text.split()), file=file, hint="run the cell again") from error


def course(log: RecordLog, verdict: Verdict, manifest: Manifest) -> Course:
    """Return the course of one guest. `log` comes from the guest and is not trusted.

    Raises ValueError if the manifest's inputs are not what a run writes.
    """
    crossing = gate_crossing(log)
    numbers = ints(log.kind(Kind.CLIENT)["client"])
    planned = verdict.point["clients"]
    assert isinstance(planned, int)
    ends = [time for kind in (Kind.MEMINFO, Kind.ZONE, Kind.WAKEUP) for time in _last(log, kind)]
    end_s = max([0.0, *ends])
    return Course(
        id=verdict.id,
        name=verdict.name,
        point=verdict.point,
        outcome=verdict.outcome,
        end_s=end_s,
        gate_s=None if crossing is None else (crossing - log.start_ns) / NS_PER_S,
        clients=max(planned, int(np.unique(numbers).size)),
        zones=tuple(_zones(log)),
        lines={line.name: line for line in _lines(log, verdict)},
        wakeups=_wakeups(log),
        batches=measure(log).batches,
        steps=tuple(_steps(log, manifest)),
        findings=tuple(_findings(log, verdict, manifest, end_s)),
        records=len(log),
        lost=log.lost,
    )


def _last(log: RecordLog, kind: Kind) -> Iterator[float]:
    times = log.kind(kind)["time_ns"]
    if times.size:
        yield (int(times.max()) - log.start_ns) / NS_PER_S


def seconds(log: RecordLog, rows: Records) -> Floats:
    """Return the times of records in seconds since the scenario's start."""
    return np.asarray((ints(rows["time_ns"]) - log.start_ns) / NS_PER_S, np.float64)


def _zones(log: RecordLog) -> Iterator[ZoneCourse]:
    zones = log.kind(Kind.ZONE)
    several = np.unique(zones["node"]).size > 1
    for of_zone in each_zone(zones):
        rows = zones[of_zone]
        rows = rows[np.argsort(rows["time_ns"], kind="stable")]
        name = bytes(rows["name"][0]).decode(errors="replace")
        name = f"{name} of node {rows['node'][0]}" if several else name
        t = seconds(log, rows)
        yield ZoneCourse(
            name=name,
            free=Line(name=name, t=t, values=rows["free"] / PAGES_PER_MIB),
            gate=Line(name=f"{name} gate", t=t, values=gate_of(rows) / PAGES_PER_MIB),
            noticed=tuple(_spans(t, rows["status"] == 1)),
        )


def _spans(t: Floats, on: NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
    """Yield the spans in which a flag was set; one lasts until the next sample without it."""
    edges = np.diff(np.concatenate([[0], on.astype(np.int8), [0]]))
    for a, b in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
        yield float(t[a]), float(t[min(int(b), t.size - 1)])


def _lines(log: RecordLog, verdict: Verdict) -> Iterator[Line]:
    rows = _by_time(log.kind(Kind.MEMINFO))
    if rows.size:
        t = seconds(log, rows)
        in_use = ints(rows["swap_total"]) - ints(rows["swap_free"])
        yield Line(name="page cache", t=t, values=rows["cached"] / KIB_PER_MIB)
        yield Line(name="anonymous", t=t, values=rows["anon"] / KIB_PER_MIB)
        yield Line(name="swap in use", t=t, values=in_use / KIB_PER_MIB)
    yield from _balloon(log, rows, verdict)
    rows = _by_time(log.kind(Kind.RECLAIM))
    if rows.size > 1:
        t = seconds(log, rows)
        for name, field in (("swapped in", "pswpin"), ("swapped out", "pswpout")):
            grown = np.maximum(0, np.diff(ints(rows[field])))
            apart = np.diff(t)
            rate = np.divide(grown, apart, out=np.zeros(grown.size), where=apart > 0)
            yield Line(name=name, t=t[1:], values=rate)
    rows = _by_time(log.kind(Kind.PAGING))
    if rows.size:
        values = rows["runnable"].astype(np.float64)
        yield Line(name="runnable", t=seconds(log, rows), values=values)


def _by_time(rows: Records) -> Records:
    ordered: Records = rows[np.argsort(rows["time_ns"], kind="stable")]
    return ordered


def _balloon(log: RecordLog, samples: Records, verdict: Verdict) -> Iterator[Line]:
    rows = log.kind(Kind.BALLOON)
    rows = rows[rows["phase"] == BalloonPhase.REQUESTED]
    if not (rows.size and samples.size):
        return
    t, last = seconds(log, rows), seconds(log, samples[-1:])
    values = rows["target_kib"] / KIB_PER_MIB
    if last[0] > t[-1]:
        t, values = np.append(t, last), np.append(values, values[-1])
    yield Line(name="balloon target", t=t, values=values)
    # The target counts all RAM, MemTotal leaves out what the kernel reserved for itself.
    total = ints(samples["total"])
    left = float(verdict.point["memory_mib"]) - (int(total[0]) - total) / KIB_PER_MIB
    yield Line(name="left by the balloon", t=seconds(log, samples), values=left)


def _wakeups(log: RecordLog) -> Wakeups:
    rows, clients = notified(log), log.kind(Kind.CLIENT)
    kinds = dict(zip(clients["client"].tolist(), clients["client_kind"].tolist(), strict=True))
    words = {int(kind): word for kind, word in _WORDS.items()}
    numbers = rows["client"].tolist()
    return Wakeups(
        t=seconds(log, rows),
        client=ints(rows["client"]),
        kind=tuple(words.get(kinds.get(client, 0), POLLIN) for client in numbers),
        record=indexes(rows),
    )


def _steps(log: RecordLog, manifest: Manifest) -> Iterator[Moment]:
    try:
        steps = [step_from_json(step) for step in manifest.inputs["scenario"]["steps"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no steps: {error}") from error
    rows = log.kind(Kind.STEP)
    for t, number in zip(seconds(log, rows).tolist(), rows["step"].tolist(), strict=True):
        known = number < len(steps)
        text = brief(steps[number].action) if known else "not in the scenario"
        yield Moment(t=t, text=text, number=number)


def brief(action: Action) -> str:
    """Return a step in a few words, for a label."""
    match action:
        case Clients():
            return f"{action.count} × {action.kind.name.lower()}"
        case Balloon():
            return f"balloon to {action.target_kib / KIB_PER_MIB:.3g} MiB"
        case Hog() | FileCache():
            pace = action.rate_kib_s / KIB_PER_MIB
            return f"{action.op.name.lower()} {pace:.3g} MiB/s"
        case Stop():
            return f"stop {action.what.name.lower()}"
        case Group():
            limit = f"{action.limit_kib / KIB_PER_MIB:g} MiB" if action.limit_kib else "no limit"
            return f"group, {limit}"
        case Dd():
            return f"dd {action.count} × {action.block_kib / KIB_PER_MIB:.3g} MiB"
        case Swappiness():
            return f"swappiness {action.value}"
    return action.op.name.lower().replace("_", "-")


def _findings(
    log: RecordLog, verdict: Verdict, manifest: Manifest, end_s: float
) -> Iterator[Moment]:
    """Yield what went wrong, and when; what has no time of its own stands at the end."""
    timed = False
    for event in timeline(log, manifest):
        if event["event"] == "oom":
            timed = True
            yield Moment(t=event["t"], text=counted(event["count"], "OOM kill"))
        elif event["event"] == "balloon" and event["phase"] == BalloonPhase.MISSED:
            timed = True
            yield Moment(t=event["t"], text="balloon target missed")
    outcome = str(verdict.outcome).partition(":")[2]
    if not verdict.outcome.ok and not (timed and outcome in ("oom-kill", "balloon")):
        yield Moment(t=end_s, text=outcome)
