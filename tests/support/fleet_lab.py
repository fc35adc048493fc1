"""Hosts of a fleet that are folders, with a made-up ssh and made-up guests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify.campaign.load import load_campaign
from memnotify.run.fleet import HostTable, run_fleet

from tests.support.campaigns import TEXT

ROOT = Path(__file__).parents[2]


# The program memnotify of a host: ours, but with made-up guests and kernels.
PROGRAM = f"""#!{sys.executable}
import os, sys
from functools import partial
from pathlib import Path
os.environ["XDG_CACHE_HOME"] = str(Path(__file__).parent / "cache")
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "orchestrator")!r}]
from tests.support.campaigns import Bench, Guests
from memnotify.run.services import Services
from memnotify.cli import run
from memnotify.cli.main import main

bench = Bench.__new__(Bench)
run.Services = partial(
    Services, build_kernel=bench.build_kernel, build_image=bench.build_image, runner=Guests()
)
sys.exit(main())
"""


@dataclass
class Done:
    return_code: int
    stdout: str
    stderr: str


class Host:
    """A host that is a folder; its ssh runs commands in a shell there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.closed = False
        self.commands: list[str] = []

    def run(self, command: str, *, err_stream: Any = None, **_: Any) -> Done:
        self.commands.append(command)
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.home, capture_output=True, text=True, check=False
        )
        if err_stream is not None:
            err_stream.write(done.stderr)
        return Done(done.returncode, done.stdout, done.stderr)

    def put(self, local: Any, remote: str) -> None:
        (self.home / remote).write_bytes(local.read())

    def get(self, remote: str, local: str) -> None:
        shutil.copyfile(self.home / remote, local)

    def close(self) -> None:
        self.closed = True


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: dict[str, Host] = {}
        self.said: list[str] = []
        self.campaign = folder / "try.toml"
        self.campaign.write_text(TEXT)
        self.program = folder / "memnotify"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def connect(self, address: str) -> Host:
        if address == "gone":
            raise_later = Host(self.folder)
            raise_later.run = _refuse  # type: ignore[method-assign]
            return raise_later
        home = self.folder / address
        home.mkdir(exist_ok=True)
        return self.hosts.setdefault(address, Host(home))

    def run(self, *addresses: str, connect: Callable[[str], Any] | None = None) -> Any:
        hosts = [HostTable(address=name, program=str(self.program), jobs=1) for name in addresses]
        return run_fleet(
            load_campaign(self.campaign),
            hosts,
            path=self.folder / "run",
            options=["--cold"],
            say=self.said.append,
            connect=connect or self.connect,
        )


def _refuse(command: str, **_: Any) -> Done:
    raise OSError("Name or service not known")
