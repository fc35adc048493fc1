"""Runs of `memnotify run`, as users start them, in which something goes wrong."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.guest import qemu, vm
from memnotify.guest.privileges import QemuUser
from memnotify.model import Cell, CellResult, Outcome
from memnotify.results.folder import RunFolder
from memnotify.run.guests import CellRunner
from memnotify.run.ledger import Ledger
from memnotify.run.services import Services
from memnotify.store import Artifact, Store

from tests.support.campaign_text import head, scenario


def campaign(machine: str = "pc", **scenarios: tuple[str, ...]) -> str:
    """Return a campaign with a cell for each scenario: its length in seconds, and its steps."""
    text = head("faults", series="none", memory_mib=64, machine=machine, scenario=[*scenarios])
    for name, (seconds, *steps) in scenarios.items():
        text += scenario(name, start_s=2, duration_s=float(seconds), log_records=2000)
        text += "".join(f"[[scenario.{name}.step]]\n{step}\n" for step in steps)
    return text


CLIENT = 'at_s = 0\nclients = { kind = "poll", count = 1 }'
QUIET = ("2", CLIENT)


@dataclass(frozen=True)
class Told:
    """What a user sees: the status, and the lines of both streams."""

    status: int
    out: str
    err: str


def children() -> list[int]:
    """Return the child processes of this one that are not reaped."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found]


async def made_up(cell: Cell, **_: Any) -> CellResult:
    """Return the result of a guest that takes no time and leaves nothing."""
    return CellResult(outcome=Outcome(), guest_ns=1, wall_seconds=0.1, records=0, lost_records=0)


def _opened() -> set[str]:
    """Return what this process has open, except for unreferenced garbage."""
    gc.collect()
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the folder itself
            found.add(f"{fd.name}: {fd.readlink()}")
    return found


class Lab:
    """A campaign with its own store. Each run is checked: nothing may be left behind."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
        *,
        kernel: Artifact,
        image: Artifact,
        store: Path | None = None,
    ) -> None:
        self.file = folder / "faults.toml"
        self.run_folder = RunFolder(folder / "run")
        self.store = Store(store or folder / "store")
        self._monkeypatch = monkeypatch
        self._capture = capture
        self.kernel, self.image = kernel, image

    def run(self, *options: str, runner: CellRunner) -> Told:
        given: dict[str, Any] = {
            "build_kernel": lambda request, **_: self.kernel,
            "build_image": lambda arch, **_: self.image,
            "runner": runner,
        }
        with self._monkeypatch.context() as patched:
            patched.setattr("memnotify.cli.run.Services", partial(Services, **given))
            patched.setattr("memnotify.cli.run.Store", lambda: self.store)
            patched.setenv("COLUMNS", "500")
            before, family = _opened(), children()
            folder = str(self.run_folder.path)
            status = main(["run", str(self.file), "-o", folder, "-j", "1", *options])
            assert (_opened() - before, children()) == (set(), family)
        self.nothing_is_left()
        return self._told(status)

    def _told(self, status: int) -> Told:
        told = Told(status, *self._capture.readouterr())
        for unseemly in ("Traceback", "a bug", "ExceptionGroup"):
            assert unseemly not in told.out + told.err, told.out + told.err
        return told

    def memnotify(self, command: str, *words: str) -> Told:
        """Run another command on the folder of the run."""
        status = main([command, str(self.run_folder.path), *words])
        return self._told(status)

    def nothing_is_left(self) -> None:
        assert list(self.run_folder.path.rglob(".*")) == []
        assert list(self.store.root.rglob(".draft-*")) == []
        taken = Ledger(self.store.folder("ledger"))._taken()
        assert (taken.memory_mib, taken.cores) == (0, 0)

    def cells(self) -> dict[str, dict[str, Any]]:
        """Return the manifest of each existing cell, by its scenario."""
        found = {}
        for row in self.run_folder.plan() if self.run_folder.begun else []:
            file = self.run_folder.cell(row.id) / "manifest.json"
            if file.exists():
                scenario = row.name.partition("-64M-")[2].partition("-")[0]
                found[scenario] = json.loads(file.read_text())
        return found

    def outcomes(self) -> dict[str, list[str]]:
        """Return how each cell's attempts ended."""
        return {
            name: [attempt["outcome"] for attempt in manifest["attempts"]]
            for name, manifest in self.cells().items()
        }


def as_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep QEMU running as us: only we can reach a program in a test's folder."""
    monkeypatch.setattr(vm, "qemu_user", QemuUser)


class MadeUp(Lab):
    """Two cells, run by a made-up QEMU that follows `plans`, one for each start."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        files = folder / "artifact"
        files.mkdir()
        for name in ("bzImage", "initramfs.cpio"):
            (files / name).touch()
        kernel = Artifact("kernel", "kernel", files, {}, {"version": "6.1"})
        image = Artifact("image", "image", files, {}, {})
        super().__init__(folder, monkeypatch, capture, kernel=kernel, image=image)
        self.file.write_text(campaign(first=QUIET, second=QUIET))
        self.bin = folder / "bin"
        self.bin.mkdir()
        program = self.bin / qemu.QEMU
        text = Path(__file__).with_name("made_qemu.py").read_text()
        program.write_text(f"#!{sys.executable} -IS\n{text}")
        program.chmod(0o755)
        self.plan()
        monkeypatch.setenv("PATH", str(self.bin), prepend=":")
        as_ourselves(monkeypatch)
        qemu.version.cache_clear()

    def plan(self, *plans: str) -> None:
        (self.bin / "plan").write_text("".join(f"{plan}\n" for plan in plans))


@contextlib.contextmanager
def meanwhile(action: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread; the run itself needs the main one, for signals."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(action)
        yield
        done.result()
