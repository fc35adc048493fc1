"""The host's OOM killer kills a QEMU: a real one, in a control group with too little memory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.guest.session import run_cell
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need

from tests.support.lab import MadeUp

LIMIT = 64 << 20
FAILED = "infrastructure:host-oom"


@pytest.fixture
def narrow(oom_killer: None) -> Iterator[Path]:
    """Make a control group in which the OOM killer strikes; only one test at a time may do so."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"memnotify-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            try:
                (group / limit).write_text(str(LIMIT))
                for name, most in ("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", LIMIT):
                    with contextlib.suppress(OSError):
                        (group / name).write_text(str(most))
                yield group
            finally:
                for _ in range(100):  # until its last process is gone
                    with contextlib.suppress(OSError):
                        group.rmdir()
                        break
                    time.sleep(0.05)
            return
    pytest.skip("no control group for memory can be made here: needs root, and a kernel with them")


def test_a_guest_that_was_alone_is_not_tried_again(lab: MadeUp, narrow: Path) -> None:
    lab.plan(f"is taken in {narrow}")
    told = lab.run("--cold", runner=run_cell)
    assert told.status == 3
    assert sorted(lab.outcomes().values()) == [[FAILED], ["ok"]]
    assert "trying again" not in told.out
    (cell,) = (cell for cell in lab.cells().values() if cell["outcome"] == FAILED)
    assert "QEMU was killed by the host's OOM killer; it had " in cell["detail"]
    assert "run fewer guests in parallel with -j, use a smaller memory_mib" in cell["detail"]
    assert cell["detail"] in told.out.replace("\n", " ")
    # It is not a result: with enough memory, the next run runs the cell.
    assert lab.run("--cold", runner=run_cell).status == 0
    assert sorted(lab.outcomes().values()) == [["ok"], ["ok"]]


def test_a_guest_that_had_company_is_tried_again(lab: MadeUp, narrow: Path) -> None:
    other = Ledger(lab.store.folder("ledger"))._try(Need(0, 0))
    assert other is not None
    try:
        lab.plan(f"is taken in {narrow}")
        told = lab.run("--cold", runner=run_cell)
    finally:
        os.close(other)
    assert told.status == 0
    assert sorted(lab.outcomes().values()) == [[FAILED, "ok"], ["ok"]]
    assert f"{FAILED}, trying again" in told.out


def test_a_kill_of_long_ago_is_not_this_one(lab: MadeUp, narrow: Path) -> None:
    lab.plan(f"is taken in {narrow}", "dies at turn 1")
    lab.run("--cold", runner=run_cell)
    kinds = sorted(attempts[0] for attempts in lab.outcomes().values())
    assert kinds == [FAILED, "infrastructure:qemu-died"]
