"""Real guests and real QEMUs: failures in one cell of a campaign, and the rest of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memnotify.guest.balloon import BalloonControl
from memnotify.guest.rendezvous import Host
from memnotify.guest.session import run_cell
from memnotify.guest.view import Watcher
from memnotify.guest.watchdog import Limits
from memnotify.image.build import ensure_image
from memnotify.image.program import sources
from memnotify.model import Arch, Cell, CellResult
from memnotify.process import CommandLog
from memnotify.store import Artifact, Store

from tests.support.lab import CLIENT, QUIET, Lab, campaign, children

pytestmark = pytest.mark.guest

LIMITS = {"spin": Limits(hang_cpu_seconds=1.5)}
KERNEL_START = 0xFFFFFFFF80000000  # on x86_64: where physical address 0 would be


@pytest.fixture(scope="module")
def base(kernel_artifact: Callable[..., Artifact]) -> Artifact:
    return kernel_artifact("none")


@pytest.fixture(scope="module")
def evil(base: Artifact, user_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Build the guest program with a hog that does evil if it has 1 to 5 MiB."""
    folder = tmp_path_factory.mktemp("evil")
    for path in (*sources(), Path(__file__).with_name("evil.c")):
        shutil.copy(path, folder)
    symbols = base.file("System.map").read_text()
    found = re.search(r"^(\w+) T __x64_sys_getppid$", symbols, re.M)
    assert found is not None
    place = int(found[1], 16) - KERNEL_START
    (folder / "evil.h").write_text(f"#define MN_GETPPID {place:#x}u\n")
    pressure = folder / "pressure.c"
    start = "	if (ceiling > SIZE_MAX / 1024)"
    text = pressure.read_text().replace(start, f"	mn_evil(ceiling);\n{start}", 1)
    declared = "#define TICK_NS"
    text = text.replace(declared, f"void mn_evil(uint64_t ceiling_kib);\n{declared}", 1)
    pressure.write_text(text)
    return ensure_image(Arch.X86_64, store=user_store, log=CommandLog(), folder=folder)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def kill_qemu() -> None:
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)


def hog(mib: int) -> tuple[str, ...]:
    return ("3", CLIENT, f"at_s = 1\nhog = {{ rate_mib_s = 40, ceiling_mib = {mib} }}")


SQUEEZED = ("4", CLIENT, "at_s = 1\nballoon = { mib = 60, settle_s = 2 }")
DIED = ["infrastructure:qemu-died", "ok"]
# How the attempts of each cell end. The first cell also makes the template, whose QEMU is killed.
EXPECTED = {
    "boot": DIED,
    "restore": DIED,
    "rendezvous": DIED,
    "end": DIED,
    "oops": ["finding:panic"],
    "spin": ["finding:hang"],
    "reboot": ["finding:reboot"],
    "scribble": ["finding:agent"],
    "crash": ["finding:agent"],
    "oom": ["finding:oom-kill"],
    "last": ["ok"],
}


class Faults:
    """Runs cells, and kills the QEMU of some of them once, depending on their scenarios' names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cell = ""
        self._left = {"boot", "restore", "rendezvous", "end"}
        boot, agree = Host.boot, BalloonControl.agree

        async def killed_at_boot(host: Host) -> Any:
            self._kill("boot")
            return await boot(host)

        async def killed_at_end(balloon: BalloonControl) -> None:
            if balloon.moves:
                self._kill("end")
            await agree(balloon)

        monkeypatch.setattr(Host, "boot", killed_at_boot)
        monkeypatch.setattr(BalloonControl, "agree", killed_at_end)

    def _kill(self, where: str) -> None:
        if where in self._left and self._cell in (where, ""):
            self._left.remove(where)
            kill_qemu()

    async def __call__(self, cell: Cell, *, watcher: Watcher, **given: Any) -> CellResult:
        self._cell = cell.scenario.name

        def at(stage: str) -> None:
            watcher.on_stage(stage)
            if stage.startswith("balloon"):
                self._kill("rendezvous")
            elif stage == "restore":
                self._kill("restore")

        watched = Watcher(on_stage=at)
        return await run_cell(cell, watcher=watched, limits=LIMITS.get(self._cell), **given)


@pytest.mark.usefixtures("no_oom_killer")
def test_a_campaign_in_which_everything_happens(
    base: Artifact,
    evil: Artifact,
    templates: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lab = Lab(tmp_path, monkeypatch, capsys, kernel=base, image=evil, store=templates)
    faulty = {name: hog(n) for n, name in enumerate(list(EXPECTED)[4:9], 1)}
    scenarios = {
        "boot": QUIET,
        "restore": QUIET,
        "rendezvous": SQUEEZED,
        "end": SQUEEZED,
        **faulty,
        "oom": hog(200),
        "last": QUIET,
    }
    text = campaign("pc", **scenarios)
    lab.file.write_text(text)
    told = lab.run(runner=Faults(monkeypatch))
    outcomes = lab.outcomes()
    assert outcomes == EXPECTED
    assert (told.status, told.err) == (0, "")
    assert told.out.count("QEMU exited by itself (killed by SIGKILL)") == 4
    details = {name: cell["detail"] for name, cell in lab.cells().items()}
    assert details["oops"].startswith("Kernel panic - not syncing: Fatal exception")
    assert details["spin"].startswith("no record, no rendezvous, no sign of init")
    assert "the header of the log was overwritten" in details["scribble"]
    assert details["crash"] == "a hog was killed by SIGSEGV"
    assert (
        f"{len(EXPECTED)} cells, {len(EXPECTED)} of them already finished"
        in lab.run(runner=Faults(monkeypatch)).out
    )
