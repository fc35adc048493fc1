"""v5 can deadlock on two CPUs: it takes the lock of its list of files inside the queue's lock.

One CPU holds the list's lock in fasync() and is interrupted by code that frees a page, which takes
the queue's lock to clear a zone's status. The other CPU holds the queue's lock in a pressure event,
and wants the list's lock for its signals. That window is short; moments/fasync-lock.patch makes it
long without changing the locking. v6 drops the queue's lock first.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.guest.watchdog import Limits
from memnotify.model import Arch, Finding
from memnotify.scenario import Balloon, ClientKind, Clients, Hog, Scenario, Step
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.store import Artifact

from tests.support.squeezed import MIB, SECOND, Ending

pytestmark = pytest.mark.guest

BASE = "2.6.24"
MACHINE = "pc-swap-smp2"
PATCH = Path(__file__).parent / "moments" / "fasync-lock.patch"
FILES = 31  # the next one is interrupted
# Both CPUs spin for two seconds of guest time, which took 16 seconds of QEMU's CPU time each. No
# record is written in that time, and that is not a hang.
SPINNING = Limits(hang_cpu_seconds=240)


def fasync(at_s: int, count: int) -> Step:
    clients = Clients(kind=ClientKind.FASYNC, count=count, spacing_ns=SECOND // 1000)
    return Step(at_ns=at_s * SECOND, action=clients)


# From 25 s on, there is an event every few tenths of a second, as swap fills up.
SCENARIO = Scenario(
    name="test",
    start_ns=12 * SECOND,
    duration_ns=32 * SECOND,
    sample_ns=SECOND // 10,
    steps=(
        fasync(0, FILES),
        Step(at_ns=2 * SECOND, action=Hog(rate_kib_s=3 * MIB, ceiling_kib=140 * MIB)),
        Step(at_ns=8 * SECOND, action=Balloon(target_kib=54 * MIB, settle_ns=7 * SECOND)),
        fasync(26, 1),
    ),
)


def longer(revision: str, root: Path) -> str:
    """Make a series of a revision plus the patch that lengthens the window; return its name."""
    name = f"{revision}-fasync-lock"
    folder = root / name / BASE
    shutil.copytree(MEM_NOTIFY / revision / BASE, folder)
    shutil.copy(PATCH, folder)
    with (folder / "series").open("a") as series:
        series.write(f"{PATCH.name}\n")
    return name


def function_at(system_map: Path, address: int) -> str:
    """Return the function of a kernel at an address."""
    rows = [line.split() for line in system_map.read_text().splitlines()]
    return max((int(at, 16), name) for at, _, name in rows if int(at, 16) <= address)[1]


def test_v5_deadlocks(
    tmp_path: Path, ending: Ending, kernel_artifact: Callable[..., Artifact]
) -> None:
    name = longer("v5", tmp_path)
    result, _ = ending(name, SCENARIO, base=BASE, arch=Arch.X86_64, machine=MACHINE, root=tmp_path)
    assert result.outcome.finding is Finding.HANG
    at = [int(word, 16) for word in re.findall(r"RIP=(\w+)", result.outcome.detail)]
    symbols = kernel_artifact(name, Arch.X86_64, BASE, root=tmp_path).file("System.map")
    # The queue's lock in the interrupt, the list's in the event.
    assert {function_at(symbols, address) for address in at} == {"_spin_lock_irqsave", "_spin_lock"}


def test_v6_does_not(tmp_path: Path, ending: Ending) -> None:
    name = longer("v6", tmp_path)
    result, _ = ending(
        name, SCENARIO, base=BASE, arch=Arch.X86_64, machine=MACHINE, root=tmp_path, limits=SPINNING
    )
    assert result.outcome.ok, result.outcome
