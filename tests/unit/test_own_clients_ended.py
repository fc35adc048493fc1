"""Clients that are programs of the user's own: how they ended, what they printed and waited for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from memnotify.check.story import Watchers
from memnotify.guest.own_clients import client_failures, client_notes, said_by_clients
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.scenario import ClientKind, Program

Values = Mapping[str, int | bytes]


def log_of(*rows: tuple[Kind, int, Values]) -> RecordLog:
    """Return a log with these records, each with its client and its values."""
    records = np.zeros(len(rows), layout.RECORD)
    for number, (kind, client, values) in enumerate(rows):
        form = layout.LAYOUTS[kind]
        value = np.zeros(1, form)
        for name, content in values.items():
            value[name] = content
        records[number]["commit"] = number + 1
        records[number]["kind"] = kind
        records[number]["client"] = client
        records[number]["time_ns"] = (number + 1) * 1_000_000_000
        records[number]["value"] = value.view("<u8")
    return RecordLog(records, lost=0, torn=0)


PROGRAMS = (Program(name="one.c", digest=""), Program(name="two", digest=""))
ONE: Values = {"program": 1}
TWO: Values = {"program": 2}


def test_how_programs_ended_is_said_with_their_names() -> None:
    log = log_of(
        (Kind.PROGRAM, 0, ONE),
        (Kind.PROGRAM, 1, TWO),
        (Kind.PROGRAM, 2, ONE),
        (Kind.PROGRAM, 2, {"program": 1, "errno": 8}),
        (Kind.EXIT, 0, {"code": 3, "op": 1}),
        (Kind.EXIT, 1, {"signal": 11, "op": 1}),
        (Kind.EXIT, 2, {"code": 8, "op": 1}),
        (Kind.EXIT, 7, {"code": 5, "op": 1}),
    )
    assert client_failures(log, PROGRAMS) == [
        "client 2 (one.c) could not be started: Exec format error",
        "client 0 (one.c) exited with status 3",
        "client 1 (two) was killed by SIGSEGV",
    ]


def test_a_program_may_be_expected_to_end_with_a_status() -> None:
    programs = (PROGRAMS[0], Program(name="two", digest="", expect_status=3))
    log = log_of(
        *((Kind.PROGRAM, client, TWO) for client in range(4)),
        (Kind.PROGRAM, 4, ONE),
        (Kind.EXIT, 0, {"code": 3, "op": 1}),
        (Kind.EXIT, 1, {"code": 0, "op": 1}),
        (Kind.EXIT, 2, {"signal": 11, "op": 1}),
        (Kind.EXIT, 3, {"signal": 9, "sent_by_agent": 1, "op": 1}),
        (Kind.EXIT, 4, {"code": 3, "op": 1}),
    )
    assert client_failures(log, programs) == [
        "client 1 (two) exited with status 0, not 3",
        "client 2 (two) was killed by SIGSEGV",
        "client 4 (one.c) exited with status 3",
    ]


def test_a_program_that_was_stopped_has_not_failed() -> None:
    log = log_of((Kind.PROGRAM, 0, ONE), (Kind.EXIT, 0, {"signal": 9, "sent_by_agent": 1, "op": 1}))
    assert client_failures(log, PROGRAMS) == []


def test_what_is_worth_knowing_is_noted() -> None:
    log = log_of(
        (Kind.DEVICE, layout.NO_CLIENT, {"present": 1}),
        *((Kind.PROGRAM, client, ONE) for client in range(4)),
        (Kind.CLIENT, 1, {"client_kind": ClientKind.OWN}),
        (Kind.CLIENT, 2, {"client_kind": ClientKind.OWN}),
        (Kind.POLL, 2, {}),
        (Kind.CLIENT, 3, {"client_kind": ClientKind.LINES}),
        (Kind.LEFT, 2, {"processes": 501}),
        (Kind.LEFT, 3, {"written": 900, "left_out": 400, "unlogged": 7}),
    )
    assert client_notes(log, PROGRAMS) == [
        "client 0 (one.c) was not seen to open the device",
        "client 1 (one.c) never waited for the device",
        "client 2 (one.c) had 501 processes at the end",
        "client 3 (one.c) printed 900 bytes, of which 400 are left out",
        "client 3 (one.c) has used up its share of the log: 7 records left out",
    ]


def said(text: bytes, *, ends: bool = True, left_out: int = 0) -> Values:
    return {"length": len(text), "flags": int(ends), "text": text, "left_out": left_out}


def test_the_lines_of_each_client_are_put_together() -> None:
    log = log_of(
        (Kind.SAID, 4, said(b"the first half, ", ends=False)),
        (Kind.SAID, 1, said(b"Kernel panic \x1b[2J")),
        (Kind.SAID, 4, said(b"and the other")),
        (Kind.SAID, 4, said(b"", left_out=77)),
        (Kind.SAID, 4, said(b"no end", ends=False)),
    )
    assert list(said_by_clients(log)) == [
        "[    2.000000] client 1: Kernel panic \\x1b[2J",
        "[    3.000000] client 4: the first half, and the other",
        "[    4.000000] client 4: [... 77 bytes left out ...]",
        "[    5.000000] client 4: no end",
    ]


def test_only_what_surely_stays_open_counts_as_a_watcher_for_sure() -> None:
    """Client 0 does, 1 opens twice, 2 closes, 3 is a binary, and 4 is of another kind."""
    own: Values = {"client_kind": ClientKind.OWN}
    log = log_of(
        (Kind.CLIENT, 0, own),
        (Kind.CLIENT, 1, own),
        (Kind.CLIENT, 1, own),
        (Kind.CLIENT, 2, own),
        (Kind.CLIENT, 3, {"client_kind": ClientKind.LINES}),
        (Kind.CLIENT, 4, {"client_kind": ClientKind.POLL}),
        (Kind.LEFT, 2, {"closed": 1}),
    )
    watchers, late = Watchers(log), 100 * 10**9
    assert watchers.at_least(late, late) == 2
    assert watchers.at_most(late, late) == 6
