"""From what is left of a guest to one outcome."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from orchestrator.guest.abi import BalloonPhase, Kind
from orchestrator.guest.console import Console
from orchestrator.guest.decode import RecordLog
from orchestrator.guest.rendezvous import End
from orchestrator.model import Finding, Op, Outcome

_SHOWN = 3  # of failures that are alike


def judge(end: End, *, log: RecordLog, console: Console, disagreements: Sequence[str]) -> Outcome:
    """Return the outcome: the most serious finding, with all of them in the detail.

    `disagreements` is what host and guest did not agree on about the balloon.
    """
    found: dict[Finding, str] = {}
    if end.finding is not None:
        found[end.finding] = end.detail
    if console.panic is not None and end.finding is not Finding.PANIC:
        # A kernel without a pvpanic driver reboots or hangs after a panic: that is no other thing.
        found = {Finding.PANIC: end.detail}
    if Finding.PANIC in found and console.panic is not None:
        found[Finding.PANIC] = console.panic
    if (killed := _oom_kills(log, console)) is not None:
        found[Finding.OOM_KILL] = killed
    if failed := _failures(log):
        found.setdefault(Finding.AGENT, "; ".join(failed))
    if balloon := [*_missed(log), *disagreements]:
        found[Finding.BALLOON] = "; ".join(balloon)
    if not found:
        return Outcome()
    ranked = [finding for finding in Finding if finding in found]
    detail = found[ranked[0]]
    for finding in ranked[1:]:
        detail += f"; also {finding}: {found[finding]}"
    return Outcome(finding=ranked[0], detail=detail)


def _oom_kills(log: RecordLog, console: Console) -> str | None:
    counted = log.kind(Kind.RECLAIM)["oom_kill"]
    kills = int(counted.max()) if len(counted) else 0
    exits = log.kind(Kind.EXIT)
    murdered = exits[(exits["signal"] == signal.SIGKILL) & (exits["sent_by_agent"] == 0)]
    if not (kills or len(murdered) or console.oom):
        return None
    first = f", the first of process {murdered['pid'][0]}" if len(murdered) else ""
    said = f"; {console.oom}" if console.oom else ""
    return f"{max(kills, len(murdered), 1)} OOM kills{first}{said}"


def _failures(log: RecordLog) -> list[str]:
    """Return what processes of the scenario could not do; they exit with the errno."""
    exits = log.kind(Kind.EXIT)
    failed = exits[(exits["code"] != 0) & (exits["sent_by_agent"] == 0)]
    found = [
        f"process {row['pid']} ({_name(row)}) gave up: {os.strerror(int(row['code']) & 0xFF)}"
        for row in failed[:_SHOWN]
    ]
    device = log.kind(Kind.DEVICE)
    if len(device) and device["present"][0]:
        clients = log.kind(Kind.CLIENT)
        closed = clients[clients["errno"] != 0]
        found += [
            f"client {row['client']} could not open the device: "
            f"{os.strerror(int(row['errno']) & 0xFF)}"
            for row in closed[:_SHOWN]
        ]
    return found


def _name(row: Any) -> str:
    op = int(row["op"])
    return Op(op).name.lower() if op in Op.__members__.values() else f"op {op}"


def _missed(log: RecordLog) -> list[str]:
    moves = log.kind(Kind.BALLOON)
    missed = moves[moves["phase"] == BalloonPhase.MISSED]
    return [
        f"step {step} did not reach {kib} KiB in {waited / 1e9:g} s"
        for step, kib, waited in missed[["step", "target_kib", "elapsed_ns"]]
    ]
