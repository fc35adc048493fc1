"""What this machine keeps of a fleet while it is up: one folder, which only its owner can read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs

from memnotify.digest import digest_value
from memnotify.errors import InfrastructureError
from memnotify.files import read_text, replacing, resolved
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.fleet.hosts import Host
from memnotify.run.fleet.member import Folder
from memnotify.run.living import NOBODY, Process
from memnotify.store import Store

_FILE, _TLS, _SCHEDULER, _LOG = "fleet.json", "tls", "scheduler.json", "scheduler.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A host of a fleet, and what its worker offers; `failure` is why there is no worker.

    `folder` has an empty name if nothing of the fleet is there.
    """

    host: Host
    folder: Folder
    memory_mib: int = 0
    cores: int = 0
    boots: int = 0
    qemu: str = ""
    failure: str | None = None

    @property
    def fleet(self) -> str:
        """The id of the fleet whose folder is there."""
        return PurePosixPath(self.folder.here).name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet that is up. `process` is its scheduler, here; `until` is in seconds since 1970.

    `left` are hosts on which something of an earlier fleet, or of this one when it has ended, may
    be left, as they could not be reached then.
    """

    id: str
    address: str
    process: Process
    until: float
    members: Sequence[Member]
    left: Sequence[Member] = ()

    def ended(self, left: Sequence[Member]) -> Fleet:
        """Return what is known of it when it has ended, except on these hosts."""
        return replace(self, process=NOBODY, members=(), left=tuple(left))


class Place:
    """Where the files of the fleet of one hosts.toml are, here."""

    def __init__(self, hosts: Path) -> None:
        self.hosts = hosts
        self._key = digest_value(str(resolved(hosts.absolute())))[:16]
        self.folder = Path(platformdirs.user_state_dir("memnotify")) / "fleets" / self._key
        self.tls = self.folder / _TLS
        self.scheduler = self.folder / _SCHEDULER
        self.log = self.folder / _LOG

    @contextmanager
    def hold(self, store: Store, *, patience_s: float = 0.0) -> Iterator[None]:
        """Keep other commands from changing the same fleet. Raises InfrastructureError if one is
        at it, and has not ended in so many seconds."""
        from filelock import FileLock, Timeout

        guard = FileLock(store.folder("locks") / f"fleet-{self._key}.lock")
        try:
            with guard.acquire(timeout=patience_s):
                yield
        except Timeout as error:
            text = f"{self.hosts}: another command is making, joining or ending this fleet"
            raise InfrastructureError("busy", text, hint="wait for it to end") from error

    def make(self) -> None:
        """Make the folder, which only its owner can enter. Raises OSError."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, fleet: Fleet) -> None:
        """Keep what is known of a fleet. Raises OSError."""
        with replacing(self.folder / _FILE, mode=0o600) as draft:
            text = json.dumps(asdict(fleet), default=str, indent=1)
            draft.write_text(text, encoding="utf-8")

    def read(self) -> Fleet | None:
        """Return the fleet that is up, or that a killed command has left; None if there is none.

        Raises InfrastructureError if its file is damaged.
        """
        file = self.folder / _FILE
        try:
            value = json.loads(read_text(file))
            members = tuple(_member(each) for each in value.pop("members"))
            left = tuple(_member(each) for each in value.pop("left", ()))
            process = Process(**value.pop("process"))
            return Fleet(**value, process=process, members=members, left=left)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = f"{file} is damaged: {error}"
            raise InfrastructureError("state", text, hint="remove its folder") from error

    def remove_secrets(self) -> None:
        """Remove all except what is known of a fleet whose scheduler has ended: keys, above all."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _FILE:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder, and those above it that are empty then."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()
            self.folder.parent.parent.rmdir()


def _member(value: Any) -> Member:
    host, folder = value.pop("host"), Folder(**value.pop("folder"))
    host |= {"key": host["key"] and Path(host["key"]), "tags": tuple(host["tags"])}
    return Member(**value, host=Host(**host), folder=folder)


def cluster_of(fleet: Fleet, place: Place, *, hosts: int) -> Cluster:
    """Return what a run needs to know of a fleet; it has so many hosts now."""
    return Cluster(address=fleet.address, tls=Tls.in_folder(place.tls), hosts=hosts)
