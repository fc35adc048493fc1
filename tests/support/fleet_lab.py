"""Hosts of a fleet that are folders, with a made-up ssh, and an environment that is this one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from memnotify.places import HOME
from memnotify.run.fleet import up
from memnotify.run.fleet.hosts import Host, Hosts, load_hosts

from tests.support.guests_there import HOST, NOTES


@dataclass
class Done:
    return_code: int
    stdout: str
    stderr: str


class LocalHost:
    """A host that is a folder; its ssh runs commands in a shell there."""

    def __init__(self, home: Path, more: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.more = more or {}
        self.closed = False
        self.commands: list[str] = []

    def run(self, command: str, **_: Any) -> Done:
        self.commands.append(command)
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], **self.more}
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def put(self, local: Any, remote: str) -> None:
        if isinstance(local, str):
            shutil.copyfile(local, self.home / remote)
        else:
            (self.home / remote).write_bytes(local.read())

    def close(self) -> None:
        self.closed = True


@dataclass
class FleetLab:
    """Hosts by address; `broken` are those whose ssh does not answer.

    `notes` is where made-up guests leave messages.
    """

    folder: Path
    hosts: dict[str, LocalHost] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    notes: Path | None = None

    def connect(self, host: Host) -> LocalHost:
        home = self.folder / host.address
        home.mkdir(exist_ok=True)
        more = {} if self.notes is None else {NOTES: str(self.notes), HOST: host.address}
        made = LocalHost(home, more)
        if host.address in self.broken:
            made.run = _refuse  # type: ignore[method-assign]
        self.hosts[host.address] = made
        return made

    def file(self, *addresses: str, more: str = "") -> Path:
        """Write a hosts.toml with these hosts; `more` is added to the last."""
        text = 'listen = "127.0.0.1"\n'
        text += "".join(f'[[host]]\naddress = "{name}"\n{_PYTHON}' for name in addresses)
        file = self.folder / "hosts.toml"
        file.write_text(text + more)
        return file

    def load(self, *addresses: str, more: str = "") -> Hosts:
        return load_hosts(self.file(*addresses, more=more))

    def files(self, address: str) -> list[str]:
        """Return what is in the home of a host."""
        home = self.folder / address
        return sorted(str(path.relative_to(home)) for path in home.rglob("*"))

    def say(self, line: str) -> None:
        self.said.append(line)


# Not that of the tests' environment, which a venv made by it would look for.
_PYTHON = f'python = "{Path(sys._base_executable).resolve()}"\n'  # type: ignore[attr-defined]


def _refuse(command: str, **_: Any) -> Done:
    raise OSError("Name or service not known")


def share_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let hosts use the packages of this environment, instead of a copy."""
    shared = folder / "shared.tar.gz"
    lines = [str(HOME / "orchestrator"), str(HOME), *filter(None, sys.path)]
    data = "\n".join(lines).encode()
    with tarfile.open(shared, "w:gz") as archive:
        entry = tarfile.TarInfo("shared.pth")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))

    def own(file: Path, log: object) -> None:
        tarfile.open(file, "w:gz").close()

    monkeypatch.setattr(up, "packages", lambda store: shared)
    monkeypatch.setattr(up, "own_package", own)
