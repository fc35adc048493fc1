"""Clients that watch successors of mem_notify: their tables, their records, and their failures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from memnotify.campaign.load import Campaign, load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InputError
from memnotify.guest.console import KernelConsole
from memnotify.guest.outcome import judge
from memnotify.guest.rendezvous import End
from memnotify.model import Finding
from memnotify.records import layout
from memnotify.records.clients import notified
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.scenario import ClientKind, Level, Op

from tests.support.campaign_text import head, scenario, write
from tests.support.steps import numbers

HEAD = head(series="v4", memory_mib=64, machine="pc-swap", scenario="s")
V1 = (0, "group = { version = 1 }")
V2 = (0, "group = { version = 2, limit_mib = 24 }")
LOW = (1, 'clients = { kind = "pressure_level", level = "low", count = 2 }')
EVENTS = (1, 'clients = { kind = "memory_events", count = 2 }')
PSI = (1, 'clients = { kind = "psi", stall_ms = 150, window_ms = 1000, count = 2 }')

Step = tuple[float, str]


def load(folder: Path, *steps: Step) -> Campaign:
    return load_campaign(write(folder, HEAD + scenario("s", *steps, duration_s=9)))


def other(step: Step, old: str, new: str) -> Step:
    assert old in step[1]
    return step[0], step[1].replace(old, new)


def test_what_the_guest_is_told(tmp_path: Path) -> None:
    (cell,) = plan_cells(load(tmp_path, V2, EVENTS, PSI))
    told = [(step.op, *numbers(step)[:4]) for step in cell.scenario.steps]
    assert told == [
        (Op.GROUP, 2, 24 * 1024),
        (Op.CLIENTS, ClientKind.MEMORY_EVENTS, 2, 0, 0),
        (Op.CLIENTS, ClientKind.PSI, 2, 150_000, 1_000_000),
    ]
    (cell,) = plan_cells(load(tmp_path, V1, LOW))
    assert numbers(cell.scenario.steps[1])[:4] == (ClientKind.PRESSURE_LEVEL, 2, Level.LOW, 0)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            (LOW,),
            r"try\.toml:17: scenario\.s\.step\[0\]\.clients\.kind: pressure_level requires control "
            r"groups of version 1 \(add an earlier step: group = \{ version = 1 \}\)$",
        ),
        ((V1, EVENTS), r"try\.toml:21: .*memory_events requires control groups of version 2"),
        ((V1, V2), r"toml:21: scenario\.s\.step\[1\]\.group: a scenario can have only one group$"),
        ((other(PSI, "stall_ms = 150, ", ""),), "needs stall_ms and window_ms"),
        ((other(PSI, "150", "1500"),), "stall_ms is more than window_ms"),
        ((other(PSI, '"psi"', '"poll"'),), 'stall_ms and window_ms: not for kind = "poll"'),
        ((V1, other(LOW, 'level = "low", ', "")), "needs level"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, steps: tuple[Step, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(tmp_path, *steps)


def log_of(*records: tuple[Kind, int, tuple[int, ...]]) -> RecordLog:
    rows = np.zeros(len(records), layout.RECORD)
    for row, (kind, client, value) in zip(rows, records, strict=True):
        row["kind"], row["client"] = kind, client
        row["value"][: len(value)] = value
    return RecordLog(rows, lost=0, torn=0)


def test_news_by_pollpri_is_a_wakeup_and_an_error_alone_is_not() -> None:
    log = log_of(
        (Kind.WAKEUP, 0, (0x001, 1)),  # POLLIN
        (Kind.WAKEUP, 1, (0x00A, 1)),  # POLLPRI and POLLERR: memory.events
        (Kind.WAKEUP, 2, (0x008, 1)),  # POLLERR
    )
    assert notified(log)["client"].tolist() == [0, 1]


def outcome(kind: ClientKind, *, device: bool) -> str | None:
    log = log_of(
        (Kind.DEVICE, layout.NO_CLIENT, (int(device),)),
        (Kind.CLIENT, 0, (kind, 2)),  # ENOENT
    )
    return judge(End(), log=log, console=KernelConsole(io.BytesIO()), disagreements=()).finding


def test_a_kernel_without_what_came_after_is_no_silent_success() -> None:
    assert outcome(ClientKind.PSI, device=False) is Finding.AGENT
    assert outcome(ClientKind.POLL, device=False) is None
    assert outcome(ClientKind.POLL, device=True) is Finding.AGENT
