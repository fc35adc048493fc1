"""What clients that are programs of the user's own left: how they ended, and what they printed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence

import numpy as np

from memnotify.records.exits import unexpected_exits
from memnotify.records.layout import LINE_ENDS, Kind
from memnotify.records.log import RecordLog, Records, ints
from memnotify.scenario import ClientKind, Program
from memnotify.text import counted, printable
from memnotify.units import NS_PER_S

_SHOWN = 3  # similar facts


def own_clients(log: RecordLog) -> set[int]:
    """Return the numbers of the clients that became programs of the user's own."""
    return set(map(int, log.kind(Kind.PROGRAM)["client"]))


def client_failures(log: RecordLog, programs: Sequence[Program]) -> list[str]:
    """Return how clients failed: could not be started, exited with a status, were killed."""
    started = log.kind(Kind.PROGRAM)
    names = _names(started, programs)
    refused = started[started["errno"] != 0]
    found = [
        f"{names[int(row['client'])]} could not be started: {os.strerror(int(row['errno']) & 0xFF)}"
        for row in refused
    ]
    other = set(map(int, refused["client"]))
    expected = expected_statuses(started, programs)
    for row in unexpected_exits(log, expected):
        client = int(row["client"])
        if client not in other:
            how = _how(int(row["code"]), int(row["signal"]), expected[client])
            found.append(f"{names[client]} {how}")
    return _some(found)


def expected_statuses(started: Records, programs: Sequence[Program]) -> dict[int, int]:
    """Return the exit status that each client of these PROGRAM records may end with."""
    statuses = {}
    for row in started:
        number = int(row["program"]) - 1
        known = programs[number].expect_status if 0 <= number < len(programs) else 0
        statuses[int(row["client"])] = known
    return statuses


def _how(code: int, number: int, expected: int) -> str:
    if not number:
        return f"exited with status {code}{f', not {expected}' if expected else ''}"
    named = number in signal.Signals.__members__.values()
    return f"was killed by {signal.Signals(number).name if named else f'signal {number}'}"


def _names(started: Records, programs: Sequence[Program]) -> dict[int, str]:
    names = {}
    for row in started:
        number = int(row["program"]) - 1
        known = f" ({programs[number].name})" if 0 <= number < len(programs) else ""
        names[int(row["client"])] = f"client {row['client']}{known}"
    return names


def _some(found: list[str]) -> list[str]:
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"{more} more"] if more > 0 else found


def client_notes(log: RecordLog, programs: Sequence[Program]) -> list[str]:
    """Return what is worth knowing of such clients in a guest without a finding."""
    started = log.kind(Kind.PROGRAM)
    names = _names(started, programs)
    device = log.kind(Kind.DEVICE)
    notes = []
    if len(device) and device["present"][0]:
        notes += _some([f"{names[client]} {why}" for client, why in _idle(log, sorted(names))])
    left = log.kind(Kind.LEFT)
    notes += _some([f"{names.get(client, client)} {what}" for client, what in _left(left)])
    return notes


def _idle(log: RecordLog, clients: list[int]) -> Iterator[tuple[int, str]]:
    """Yield the clients that never opened, or never waited for, what they could watch."""
    opens, polls = log.kind(Kind.CLIENT), log.kind(Kind.POLL)
    opened = set(opens["client"][opens["errno"] == 0].tolist())
    by_lines = set(opens["client"][opens["client_kind"] == ClientKind.LINES].tolist())
    waited = set(polls["client"].tolist())
    wakeups = set(log.kind(Kind.WAKEUP)["client"].tolist())
    ran = {client for client in clients if client not in by_lines | wakeups}
    for client in clients:
        if client in ran and client not in opened:
            yield client, "was not seen to open the device"
        elif client in ran and client not in waited:
            yield client, "never waited for the device"


def _left(left: Records) -> Iterator[tuple[int, str]]:
    for row in left:
        client = int(row["client"])
        if row["processes"] > 1:
            yield client, f"had {row['processes']} processes at the end"
        if row["left_out"]:
            yield (
                client,
                f"printed {counted(int(row['written']), 'byte')}, of which "
                f"{row['left_out']} are left out",
            )
        if row["unlogged"]:
            yield client, f"has used up its share of the log: {row['unlogged']} records left out"


def said_by_clients(log: RecordLog) -> Iterator[str]:
    """Yield the lines that clients printed, each with the guest's time and the client's number."""
    rows = log.kind(Kind.SAID)
    for client in np.unique(rows["client"]).tolist():
        yield from _lines_of(rows[rows["client"] == client], client)


def _lines_of(rows: Records, client: int) -> Iterator[str]:
    text = b""
    for row, when in zip(rows, ints(rows["time_ns"]).tolist(), strict=True):
        stamp = f"[{when / NS_PER_S:12.6f}] client {client}: "
        if row["left_out"]:
            if text:
                yield stamp + _shown(text)
                text = b""
            yield f"{stamp}[... {counted(int(row['left_out']), 'byte')} left out ...]"
        text += row["text"].ljust(32, b"\0")[: int(row["length"])]
        if int(row["flags"]) & LINE_ENDS and (text or not row["left_out"]):
            yield stamp + _shown(text)
            text = b""
    if text:
        yield stamp + _shown(text)


def _shown(text: bytes) -> str:
    return printable(text.decode(errors="replace").expandtabs())
