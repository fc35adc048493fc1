"""Derives a cell's outcome from what a guest left."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import numpy as np

from memnotify.guest.console import KernelConsole
from memnotify.guest.own_clients import client_failures, client_notes, own_clients
from memnotify.guest.rendezvous import End
from memnotify.model import Finding, Outcome
from memnotify.records.exits import failed_exits, killed_exits
from memnotify.records.layout import NO_CLIENT, BalloonPhase, CheckResult, Kind
from memnotify.records.log import RecordLog
from memnotify.records.self_check import describe_check
from memnotify.scenario import SUCCESSORS, Op, Program
from memnotify.text import counted
from memnotify.units import NS_PER_S

_SHOWN = 3  # similar failures


def judge(
    end: End,
    *,
    log: RecordLog,
    console: KernelConsole,
    disagreements: Sequence[str],
    overwritten: bool = False,
    ended: bool = False,
    programs: Sequence[Program] = (),
) -> Outcome:
    """Return the outcome: the most serious finding, with all of them in the detail.

    The arguments are those of `findings`.
    """
    found = findings(
        end,
        log=log,
        console=console,
        disagreements=disagreements,
        overwritten=overwritten,
        ended=ended,
        programs=programs,
    )
    if not found:
        return Outcome(detail="; ".join(filter(None, [end.detail, *client_notes(log, programs)])))
    ranked = list(found)
    detail = found[ranked[0]]
    for finding in ranked[1:]:
        detail += f"; also {finding}: {found[finding]}"
    return Outcome(finding=ranked[0], detail=detail)


def findings(
    end: End,
    *,
    log: RecordLog,
    console: KernelConsole,
    disagreements: Sequence[str] = (),
    overwritten: bool = False,
    ended: bool = False,
    programs: Sequence[Program] = (),
) -> dict[Finding, str]:
    """Return what each finding is about, the most serious first.

    `disagreements` lists where host and guest disagreed about the balloon. `overwritten` says that
    the guest wrote to the host's part of the log. `ended` says that the scenario was over when the
    guest ended, so that everything that was asked for is in the log. `programs` are those of the
    user's own; how their clients ended is a finding about them, not about the guest program.
    """
    found: dict[Finding, str] = {}
    if end.finding is not None:
        found[end.finding] = end.detail
    if console.panic is not None and end.finding is not Finding.PANIC:
        # Without a pvpanic driver, a kernel reboots or hangs after a panic. It is the same finding.
        found = {Finding.PANIC: end.detail}
    if Finding.PANIC in found and console.panic is not None:
        found[Finding.PANIC] = console.panic
    if ended:
        found = {
            finding: f"after the end of the scenario: {what}" for finding, what in found.items()
        }
    if (killed := _oom_kills(log, console)) is not None:
        found[Finding.OOM_KILL] = killed
    scribbled = ["the header of the log was overwritten"] if overwritten else []
    if failed := [*scribbled, *_failures(log)]:
        found.setdefault(Finding.AGENT, "; ".join(failed))
    if failed := client_failures(log, programs):
        found[Finding.CLIENT] = "; ".join(failed)
    if wrong := _self_check(log):
        found[Finding.SELF_CHECK] = "; ".join(wrong)
    if balloon := [*_missed(log), *disagreements]:
        found[Finding.BALLOON] = "; ".join(balloon)
    return {finding: found[finding] for finding in Finding if finding in found}


def _oom_kills(log: RecordLog, console: KernelConsole) -> str | None:
    samples = log.kind(Kind.RECLAIM)["oom_kill"]
    kills = int(samples.max()) if len(samples) else 0
    murdered = killed_exits(log)
    if not (kills or len(murdered) or console.oom):
        return None
    first = f", the first of {_name(murdered[0])}" if len(murdered) else ""
    said = f"; {console.oom}" if console.oom else ""
    return f"{counted(max(kills, len(murdered), 1), 'OOM kill')}{first}{said}"


def _failures(log: RecordLog) -> list[str]:
    """Return what processes of the scenario failed to do; their exit code is the errno."""
    own = list(own_clients(log))
    failed = failed_exits(log)
    failed = failed[~np.isin(failed["client"], own)]
    found = [f"{_name(row)} {_how(row)}" for row in failed[:_SHOWN]]
    # A kernel without mem_notify serves as a comparison. A kernel that lacks a successor that it
    # should have does not.
    device, clients = log.kind(Kind.DEVICE), log.kind(Kind.CLIENT)
    present = len(device) > 0 and bool(device["present"][0])
    told = present | np.isin(clients["client_kind"], list(SUCCESSORS))
    told &= ~np.isin(clients["client"], own)
    closed = clients[(clients["errno"] != 0) & told]
    if len(closed):
        found += [
            f"client {row['client']} could not open the file that it watches: "
            f"{os.strerror(int(row['errno']) & 0xFF)}"
            for row in closed[:_SHOWN]
        ]
    return found


def _name(row: Any) -> str:
    # Not by pid: a record has the pid of its writer, and the agent writes these.
    if row["client"] != NO_CLIENT:
        return f"client {row['client']}"
    op = int(row["op"])
    return f"a {Op(op).name.lower()}" if op in Op.__members__.values() else f"op {op}"


def _how(row: Any) -> str:
    number = int(row["signal"])
    if not number:
        return f"gave up: {os.strerror(int(row['code']) & 0xFF)}"
    named = number in signal.Signals.__members__.values()
    return f"was killed by {signal.Signals(number).name if named else f'signal {number}'}"


def _self_check(log: RecordLog) -> list[str]:
    """Return which tests of a self-check failed, and whether any did not run."""
    if not (log.kind(Kind.STEP)["op"] == Op.SELF_CHECK).any():
        return []
    done = log.kind(Kind.SELF_CHECK)
    failed = done[done["result"] == CheckResult.FAILED]
    found = [describe_check(row) for row in failed[:_SHOWN]]
    if len(failed) > _SHOWN:
        found.append(f"{len(failed) - _SHOWN} more failed")
    ran, count = len(np.unique(done["number"])), int(done["count"].max(initial=0))
    if not ran or ran < count:
        found.append(f"{ran} of {count or 'its'} tests finished")
    return found


def _missed(log: RecordLog) -> list[str]:
    moves = log.kind(Kind.BALLOON)
    missed = moves[moves["phase"] == BalloonPhase.MISSED]
    return [
        f"step {step} did not reach {kib} KiB in {waited / NS_PER_S:g} s"
        for step, kib, waited in missed[["step", "target_kib", "elapsed_ns"]]
    ]
