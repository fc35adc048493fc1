"""A Dask cluster of made-up hosts: a scheduler and workers, each with a store of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.places import HOME
from memnotify.report.board import open_board
from memnotify.results.folder import RunFolder
from memnotify.run.campaign import run_campaign
from memnotify.run.executors.protocol import Cluster
from memnotify.run.services import RunOptions
from memnotify.store import Artifact
from rich.console import Console

from tests.support.campaigns import Bench
from tests.support.guests_there import HOST, NOTES
from tests.support.processes import wait_for


class ClusterLab(Bench):
    """A campaign whose kernels are in the store, and hosts to run it on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.notes = folder / "notes"
        self.notes.mkdir()
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def build_kernel(self, request: Any, **_: Any) -> Artifact:
        return self._artifact("kernel", "bzImage", series=request.series)

    def build_image(self, arch: Any, **_: Any) -> Artifact:
        return self._artifact("image", "initramfs.cpio", arch=arch)

    def _artifact(self, kind: str, name: str, **inputs: Any) -> Artifact:
        def build(folder: Path) -> dict[str, Any]:
            (folder / name).write_bytes(name.encode() * 300_000)  # several pieces
            return {"version": "6.1"}

        return self.store.publish(kind, {**inputs, "kind": kind}, build)

    def __enter__(self) -> ClusterLab:
        self.start_scheduler()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._programs):
            self.kill(name)

    def start_scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
        )
        wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def start(self, *hosts: str, **environment: str) -> None:
        """Start the workers of some hosts, with one thread each."""
        for host in hosts:
            self._start(
                "worker",
                self.address,
                *("--name", host, "--nthreads", "1", "--memory-limit", "0", "--no-nanny"),
                *("--local-directory", str(self.folder / host / "dask")),
                name=host,
                environment={
                    "XDG_CACHE_HOME": str(self.folder / host / "cache"),
                    HOST: host,
                    **environment,
                },
            )

    def _start(
        self, what: str, *words: str, name: str = "", environment: dict[str, str] | None = None
    ) -> None:
        name = name or what
        with (self.folder / f"{name}.log").open("ab") as log:
            self._programs[name] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", *words],
                env=os.environ
                | {
                    NOTES: str(self.notes),
                    "PYTHONPATH": f"{HOME}:{HOME / 'orchestrator'}",
                    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
                }
                | (environment or {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a host's worker, or the scheduler, as a crash would."""
        program = self._programs.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()

    def cluster(self, hosts: int, patience_s: float = 60.0) -> Cluster:
        return Cluster(address=self.address, hosts=hosts, patience_s=patience_s)

    def run_on(
        self, hosts: int, runner: Any, *, patience_s: float = 60.0, **options: Any
    ) -> RunFolder:
        """Run the campaign on so many hosts."""
        campaign = load_campaign(self.file)
        with open_board(Console(file=self.output, width=500)) as board:
            return run_campaign(
                campaign,
                plan_cells(campaign),
                self.services(board, runner),
                path=self.path,
                options=RunOptions(**{"cold": True, **options}),
                cluster=self.cluster(hosts, patience_s),
            )

    def noted(self, what: str) -> list[tuple[str, str]]:
        """Return the host and the text of each message."""
        found = sorted(self.notes.glob(f"{what}-*"))
        return [(file.name.split("-")[1], file.read_text()) for file in found]

    def manifests(self) -> dict[str, dict[str, Any]]:
        """Return the manifests of cells that have one, by name."""
        found = (json.loads(file.read_text()) for file in self.path.glob("cells/*/manifest.json"))
        return {manifest["name"]: manifest for manifest in found}

    def said(self, host: str) -> str:
        return (self.folder / f"{host}.log").read_text()
