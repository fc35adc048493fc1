"""A cell compared with the same kernel under virtme-ng: booting to run a command, and idling.

The kernel is 6.1's variant `virtme`, which suits both. There, `uname -r` and `sleep 60` run in the
host's user land. Here, a cell of one guest second asks for the kernel's version, and a cell of 60
guest seconds samples the memory once a second. Both start from a template; for comparison, the
first also boots. Neither side uses KVM. The two sides alternate; the times are the best of several.

virtme-ng comes from PyPI, into a venv of its own in the store.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from memnotify import process
from memnotify.campaign.plan import boot_files
from memnotify.errors import InfrastructureError
from memnotify.guest import qemu
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.guest.templates import Templates
from memnotify.image.build import ensure_image
from memnotify.kernel.build import ensure_kernel
from memnotify.model import Accel, Arch, Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.scenario import Scenario
from memnotify.store import Artifact, Store

VIRTME = "virtme-ng==1.42"
VARIANT = "virtme"
MEMORY_MIB = 256  # on both sides
SECOND = 10**9
START_S = 2
IDLE_S = 60
ROUNDS = 3
PATIENCE_S = 600.0
DONE = "script exited with code 0"  # printed by virtme-ng's init
BOOT_TARGET, IDLE_TARGET = 12.0, 60.0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def find_vng(store: Store) -> Path:
    """Return virtme-ng's program; install it first. Raises InfrastructureError if that fails."""
    folder = store.folder("virtme-ng")
    vng = folder / "bin" / "vng"
    if not vng.exists():
        say(f"installing {VIRTME}")
        process.run([sys.executable, "-m", "venv", folder], timeout=PATIENCE_S)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        process.run([*pip, "--disable-pip-version-check", VIRTME], timeout=PATIENCE_S)
    return vng


class There:
    """virtme-ng."""

    def __init__(self, vng: Path, kernel: Artifact) -> None:
        self._vng = vng
        self._kernel = kernel

    def run(self, command: str) -> float:
        """Return the wall seconds of a guest that boots and runs a command."""
        # On the console: without udev, the guest does not find its other outputs and its status.
        words = ["--verbose", "--disable-kvm", "--memory", f"{MEMORY_MIB}M"]
        started = time.monotonic()
        done = process.run(
            [self._vng, "--run", self._kernel.file("bzImage"), *words, "--exec", command],
            # vng only finds its other programs, which lie beside it, by PATH.
            env={"PATH": f"{self._vng.parent}:{os.environ['PATH']}"},
            timeout=PATIENCE_S,
            check=False,
        )
        seconds = time.monotonic() - started
        if DONE not in done.stdout:
            raise InfrastructureError("virtme-ng", f"it did not run {command}: {done.stdout}")
        return seconds


class Here:
    """A cell of this testbed, from a template or not."""

    def __init__(self, kernel: Artifact, image: Artifact, store: Store) -> None:
        self._kernel = kernel
        self._image = image
        self._templates = Templates(store)

    def run(self, seconds: int, *, cold: bool = False) -> float:
        """Return the wall seconds of a cell; its template is made before."""
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(self._run(self._cell(seconds), Path(folder), cold=cold))

    def _cell(self, seconds: int) -> Cell:
        cell = Cell(
            request=KernelRequest(base="6.1", series="none", arch=Arch.X86_64, variant=VARIANT),
            machine=dataclasses.replace(load_machine("pc"), variant=VARIANT),
            memory_mib=MEMORY_MIB,
            clients=0,
            scenario=Scenario(
                name="idle",
                start_ns=START_S * SECOND,
                duration_ns=seconds * SECOND,
                sample_ns=SECOND,
                steps=(),
            ),
            accel=Accel.TCG,
            log_records=20_000,
            kernel=self._kernel.key,
            image=self._image.key,
        )
        return dataclasses.replace(cell, hardware=qemu.hardware_digest(cell, Accel.TCG))

    async def _run(self, cell: Cell, folder: Path, *, cold: bool) -> float:
        files = boot_files(self._kernel, self._image)
        template = None
        if not cold:
            template = await self._templates.get(
                cell, files=files, on_stage=lambda stage: None, log=None
            )
        started = time.monotonic()
        result = await run_cell(cell, files=files, folder=folder, start=template)
        if not result.outcome.ok or not result.versions["kernel"].startswith("6.1."):
            raise InfrastructureError("cell", f"{result.outcome}: {result.outcome.detail}")
        return time.monotonic() - started


def best(sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the best time of each side; the sides alternate."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, run in sides.items():
            times[name].append(run())
            say(f"{name}: {times[name][-1]:.2f} s")
    return {name: min(seconds) for name, seconds in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    store, log = Store(), CommandLog()
    request = KernelRequest(base="6.1", series="none", arch=Arch.X86_64, variant=VARIANT)
    kernel = ensure_kernel(request, store=store, log=log, progress=say)
    image = ensure_image(Arch.X86_64, store=store, log=log)
    try:
        vng = find_vng(store)
    except InfrastructureError as error:
        shutil.rmtree(store.folder("virtme-ng"))
        print(f"not measured: {VIRTME} cannot be installed: {error}")
        return 0
    here, there = Here(kernel, image, store), There(vng, kernel)
    boot = best(
        {
            "virtme-ng, uname": lambda: there.run("uname -r"),
            "cell of 1 s": lambda: here.run(1),
            "cell of 1 s that boots": lambda: here.run(1, cold=True),
        }
    )
    idle = best(
        {
            f"virtme-ng, sleep {IDLE_S}": lambda: there.run(f"sleep {IDLE_S}"),
            f"cell of {IDLE_S} s": lambda: here.run(IDLE_S),
        }
    )
    (uname, warm, cold), (sleep, long) = boot.values(), idle.values()
    ratios: list[tuple[str, float, float | None]] = [
        ("boot and one command, virtme-ng / cell", uname / warm, BOOT_TARGET),
        ("boot and one command, virtme-ng / cell that boots", uname / cold, None),
        (f"{IDLE_S} guest seconds, virtme-ng / cell", sleep / long, IDLE_TARGET),
    ]
    rows = []
    for name, seconds in (boot | idle).items():
        print(f"{name:26} {seconds:7.2f} s")
        rows.append({"name": name, "value": seconds, "unit": "s", "target": None})
    for name, ratio, target in ratios:
        aim = "" if target is None else f"  (target ≥ {target:g} on 2 idle cores)"
        print(f"{name:50} {ratio:6.1f}{aim}")
        rows.append({"name": name, "value": ratio, "unit": "ratio", "target": target})
    if args.json is not None:
        better = {"s": "lower", "ratio": "higher"}
        shown = [row | {"better": better[str(row["unit"])]} for row in rows]
        args.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
