"""What happened in one guest, in order: the data of `memnotify show RUN CELL`.

Every event is a JSON object with `t` (guest seconds since the scenario's start), `event` (its
kind), `text` (for people), and the numbers in the text.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from memnotify.check.metrics import measure
from memnotify.check.promises import TICK_NS
from memnotify.errors import InputError
from memnotify.guest.mailbox import step_from_json
from memnotify.model import DeviceName
from memnotify.records.layout import BalloonPhase, Kind
from memnotify.records.log import RecordLog, Records, ints
from memnotify.records.parquet import read_records
from memnotify.records.self_check import describe_check
from memnotify.records.zones import above_gate, each_zone, gate_of
from memnotify.results.folder import MANIFEST, RECORDS, read_manifest
from memnotify.results.manifest import Manifest, first_problem
from memnotify.scenario import (
    CLIENT_KINDS,
    Action,
    Balloon,
    ClientKind,
    Clients,
    Console,
    Dd,
    FileCache,
    Group,
    Hog,
    Op,
    SelfCheck,
    Stop,
    Swappiness,
)
from memnotify.text import counted
from memnotify.units import KIB_PER_MIB as _MIB
from memnotify.units import NS_PER_MS, NS_PER_S

Event = dict[str, Any]

_QUIET_NS = NS_PER_S
"""Samples of one condition (below the gate, swapping) that are closer than this are one event."""

_GAP_S = 2
"""A gap between two rounds of the console, which are normally one second apart."""


def timeline_of(folder: Path, log: RecordLog | None = None) -> list[Event]:
    """Return the events of the cell whose results are in a folder; none if it left no log.

    `log` is its log, if that has been read. Raises InputError if the results are damaged.
    """
    if not (folder / RECORDS).exists():
        return []
    log = read_records(folder / RECORDS) if log is None else log
    manifest = read_manifest(folder)
    try:
        return timeline(log, manifest)
    except ValueError as error:
        text = f"not a manifest in the format of this version of memnotify: {error}"
        raise InputError(
            " ".join(text.split()), file=folder / MANIFEST, hint="run the cell again"
        ) from error


def timeline(log: RecordLog, manifest: Manifest) -> list[Event]:
    """Return the events of one guest, sorted by time.

    `log` comes from the guest and is not trusted; `manifest` is the cell's. Raises ValueError if
    the manifest's inputs are not what a run writes.
    """
    told = _told(manifest)
    events: list[Event] = []
    for make in (_boot, _steps, _clients, _balloon, _gate, _swap, _oom, _gaps, _self_check, _exits):
        for time_ns, event in make(log, told):
            events.append({"t": round((int(time_ns) - log.start_ns) / NS_PER_S, 6), **event})
    for number, batch in enumerate(measure(log).batches):
        text = f"{counted(batch.wakeups, 'wakeup')} of {counted(batch.clients, 'client')}"
        text += f" within {batch.spread_ms:g} ms"
        if batch.after_ms is not None:
            text += f", {batch.after_ms / 1000:.3f} s after the previous batch"
        events.append(
            {
                "t": batch.at_s,
                "event": "wakeups",
                "text": text,
                "batch": number,
                "wakeups": batch.wakeups,
                "clients": batch.clients,
                "spread_ms": batch.spread_ms,
                "after_ms": batch.after_ms,
            }
        )
    return sorted(events, key=lambda event: float(event["t"]))


@dataclass(frozen=True, slots=True)
class _Told:
    """Facts from a manifest: the scenario's steps in words, and the balloon's moves by step."""

    steps: Sequence[str]
    moves: Mapping[int, Mapping[str, Any]]


def _told(manifest: Manifest) -> _Told:
    try:
        steps = [step_from_json(step) for step in manifest.inputs["scenario"]["steps"]]
        names = [str(program["name"]) for program in manifest.inputs.get("programs", ())]
        return _Told(
            steps=[_describe(step.action, names) for step in steps],
            moves={move.step: dataclasses.asdict(move) for move in manifest.balloon},
        )
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


Made = Iterator[tuple[int, Event]]


def _boot(log: RecordLog, _: _Told) -> Made:
    for row in log.kind(Kind.BOOT):
        total, swap = int(row["total_kib"]), int(row["swap_kib"])
        text = f"booted with {total / _MIB:.1f} MiB of memory and {swap / _MIB:.0f} MiB of swap"
        yield row["time_ns"], {"event": "boot", "text": text, "total_kib": total, "swap_kib": swap}
    for row in log.kind(Kind.DEVICE):
        there = bool(row["present"])
        # Kernels before 2.6.32 do not announce the mode of a device.
        mode = f"mode {int(row['mode']):04o}" if row["mode"] else "no mode announced"
        number = f"{row['major']}:{row['minor']}"
        path = DeviceName.path_of(int(row["present"]))
        text = f"{path} exists: {number}, {mode}" if there else f"no {path}"
        yield row["time_ns"], {"event": "device", "text": text, "present": there}
    for row in log.kind(Kind.START):
        yield row["time_ns"], {"event": "start", "text": "scenario starts"}
    for row in log.kind(Kind.END):
        yield row["time_ns"], {"event": "end", "text": "scenario ends"}


def _steps(log: RecordLog, told: _Told) -> Made:
    for row in log.kind(Kind.STEP):
        number, late = int(row["step"]), int(row["late_ns"])
        if number < len(told.steps):
            text = f"step {number}: {told.steps[number]}"
        else:
            text = f"step {number}, which is not in the scenario"
        if late > TICK_NS:  # it had to wait for the CPU
            text += f" ({late / NS_PER_MS:.0f} ms late)"
        yield row["time_ns"], {"event": "step", "text": text, "step": number, "late_ns": late}


def _describe(action: Action, programs: Sequence[str] = ()) -> str:
    match action:
        case Clients(program=number) if 0 < number <= len(programs):
            return f"{counted(action.count, 'client')} that run {programs[number - 1]}"
        case Clients():
            kind = action.kind.name.lower()
            return f"{counted(action.count, 'client')} of kind {kind}{_asked(action)}"
        case Balloon():
            return f"balloon, leaving the guest {action.target_kib / _MIB:.4g} MiB"
        case Stop():
            return f"stop {action.what.name.lower()}"
        case Group():
            limit = f"limit {action.limit_kib / _MIB:g} MiB"
            limit = limit if action.limit_kib else "no limit"
            return f"version {action.version} control group for hogs, {limit}"
        case Swappiness():
            return f"set vm.swappiness to {action.value}"
        case Console():
            seconds = action.every_ns / NS_PER_S
            return f"console that runs date and vmstat every {seconds:g} s"
        case Dd():
            blocks = counted(action.count, "block")
            return f"dd of {blocks} of {action.block_kib / _MIB:.4g} MiB"
        case SelfCheck():
            return f"self-check, swapping {action.memory_kib / _MIB:g} MiB"
        case Hog():
            bound = "" if action.node is None else f" on node {action.node}"
            return f"hog{_pace(action.rate_kib_s, action.ceiling_kib)}{bound}"
        case FileCache():
            return f"filecache{_pace(action.rate_kib_s, action.total_kib)}"


def _pace(rate_kib_s: int, total_kib: int) -> str:
    return f" at {rate_kib_s / _MIB:.4g} MiB/s up to {total_kib / _MIB:g} MiB"


def _asked(clients: Clients) -> str:
    if clients.window_us:
        stall, window = clients.stall_us / 1000, clients.window_us / 1000
        return f", {stall:g} ms of stall in {window:g} ms"
    if clients.level is not None:
        return f", level {clients.level.name.lower()}"
    return ""


def _watched(kind: int) -> str:
    if kind not in list(ClientKind):  # it comes from the guest
        return "the device"
    return CLIENT_KINDS[ClientKind(kind)].watches or "the device"


def _clients(log: RecordLog, _: _Told) -> Made:
    rows = log.kind(Kind.CLIENT)
    for kind, error in np.unique(rows[["client_kind", "errno"]]).tolist():
        same = rows[(rows["client_kind"] == kind) & (rows["errno"] == error)]
        what = _watched(kind)
        for a, b in _runs(same["time_ns"]):
            how = f"opened {what}" if error == 0 else f"could not open {what}, errno {error}"
            event = {"event": "clients", "clients": b - a, "errno": int(error)}
            yield same["time_ns"][b - 1], {**event, "text": f"{counted(b - a, 'client')} {how}"}


def _balloon(log: RecordLog, told: _Told) -> Made:
    for row in log.kind(Kind.BALLOON):
        phase, step, target = int(row["phase"]), int(row["step"]), int(row["target_kib"])
        event: Event = {"event": "balloon", "phase": phase, "step": step, "target_kib": target}
        event["move"] = move = told.moves.get(step)
        what = f"balloon to {target / _MIB:.4g} MiB"
        if phase == BalloonPhase.REQUESTED:
            text = f"{what} requested"
        else:
            seconds = int(row["elapsed_ns"]) / NS_PER_S
            word = "reached" if phase == BalloonPhase.REACHED else "NOT reached"
            text = f"{what} {word} after {seconds:.3f} s of guest time"
            if move is not None and move["query_seconds"] is not None:
                text += f", {move['query_seconds']:.3f} s of wall time"
        yield row["time_ns"], {**event, "text": text}


def _gate(log: RecordLog, _: _Told) -> Made:
    zones = log.kind(Kind.ZONE)
    for of_zone in each_zone(zones):
        yield from _below(zones[of_zone])


def _below(zone: Records) -> Made:
    name, node = zone["name"][0].decode(errors="replace"), int(zone["node"][0])
    free, gate = ints(zone["free"]), gate_of(zone)
    below = np.flatnonzero(above_gate(zone) <= 0)
    for a, b in _runs(zone["time_ns"][below]):
        samples = below[a:b]
        least = int(free[samples].min())
        first, last = zone["time_ns"][samples[[0, -1]]].tolist()
        seconds = (last - first) / NS_PER_S
        threshold = int(gate[samples[0]])
        text = (
            f"zone {name} at or below the gate, {threshold} free pages: "
            f"{counted(len(samples), 'sample')}{_lasting(seconds)}, lowest {least}"
        )
        event = {"event": "gate", "zone": name, "node": node, "gate_pages": threshold}
        yield (
            zone["time_ns"][samples[0]],
            {**event, "least_free_pages": least, "seconds": seconds, "text": text},
        )


def _lasting(seconds: float) -> str:
    """Return ` in 0.3 s`, and nothing for a single sample, which lasts no time."""
    return f" in {seconds:.1f} s" if seconds else ""


def _swap(log: RecordLog, _: _Told) -> Made:
    yield from _growth(
        log,
        "pswpout",
        "swap",
        lambda pages, s: f"{counted(pages, 'page')} swapped out{_lasting(s)}",
    )


def _oom(log: RecordLog, _: _Told) -> Made:
    yield from _growth(log, "oom_kill", "oom", lambda kills, _: counted(kills, "OOM kill"))


def _growth(log: RecordLog, field: str, kind: str, say: Callable[[int, float], str]) -> Made:
    rows = log.kind(Kind.RECLAIM)
    times = rows["time_ns"]
    grown = np.diff(rows[field].astype(np.int64), prepend=rows[field][:1].astype(np.int64))
    at = np.flatnonzero(grown > 0)
    for a, b in _runs(times[at]):
        total = int(grown[at[a:b]].sum())
        seconds = (int(times[at[b - 1]]) - int(times[at[a]])) / NS_PER_S
        event = {"event": kind, "count": total, "seconds": seconds, "text": say(total, seconds)}
        yield times[at[a]], event


def _gaps(log: RecordLog, told: _Told) -> Made:
    """Yield rounds of the console that came so late that a watcher would have seen a gap."""
    rows = log.kind(Kind.CONSOLE)
    for before, row in itertools.pairwise(rows):
        seconds = (int(row["time_ns"]) - int(before["time_ns"])) / NS_PER_S
        if seconds >= _GAP_S:
            text = f"console ran again after a gap of {seconds:.1f} s"
            yield row["time_ns"], {"event": "gap", "seconds": seconds, "text": text}


def _self_check(log: RecordLog, _: _Told) -> Made:
    for row in log.kind(Kind.SELF_CHECK):
        text = f"self-check {int(row['number']) + 1} of {row['count']}: {describe_check(row)}"
        fields = {name: int(row[name]) for name in ("number", "result", "line", "error", "signal")}
        name = row["name"].decode(errors="replace")
        yield row["time_ns"], {"event": "self-check", "name": name, **fields, "text": text}


def _exits(log: RecordLog, _: _Told) -> Made:
    rows = log.kind(Kind.EXIT)
    keys = rows[["op", "code", "signal", "sent_by_agent"]]
    for key in np.unique(keys):
        same = rows[keys == key]
        op, code, signal, asked = (int(key[name]) for name in keys.dtype.names or ())
        what = Op(op).name.lower() if op in list(Op) else f"op {op}"
        how = (
            "stopped"
            if asked
            else f"killed by signal {signal}"
            if signal
            else f"exited with status {code}"
        )
        for a, b in _runs(same["time_ns"]):
            ended = counted(b - a, what.removesuffix("s"))
            event = {
                "event": "exit",
                "op": op,
                "code": code,
                "signal": signal,
                "asked": bool(asked),
            }
            apart_s = (int(same["time_ns"][b - 1]) - int(same["time_ns"][a])) / NS_PER_S
            text = f"{ended} {how}" + (f" within {apart_s:.3f} s" if b - a > 1 else "")
            yield same["time_ns"][a], {**event, "count": b - a, "seconds": apart_s, "text": text}


def _runs(times: Records) -> Iterator[tuple[int, int]]:
    """Yield slices (from, to) of sorted times without a pause longer than _QUIET_NS."""
    if times.size:
        ends = np.flatnonzero(np.diff(ints(times)) > _QUIET_NS) + 1
        edges = [0, *ends.tolist(), times.size]
        yield from itertools.pairwise(edges)
