"""How a fleet is: each host, as the scheduler sees its worker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from memnotify.run.executors.protocol import Tls
from memnotify.run.fleet.hosts import Hosts
from memnotify.run.fleet.scheduler import Worker, workers_of
from memnotify.run.fleet.state import Fleet, Member, Place

UP, GONE, FAILED, LEFT = "up", "gone", "failed", "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """A host of a fleet. `state` is `up`; `gone` if its worker was there and is lost; `failed` if
    there never was one. `running` is how many cells it runs, `seen_s` how long it has been silent.
    """

    name: str
    address: str
    state: str
    cores: int
    memory_mib: int
    boots: int
    tags: Sequence[str]
    qemu: str
    running: int
    seen_s: float | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOn:
    """A host on which something of a fleet that has ended may be left, in `folder`."""

    name: str
    address: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """`scheduler` is its address, or None if it is gone; `left_s` how long certificates hold.

    `left` are hosts that could not be reached when a fleet ended. `file_differs` says in what its
    hosts are not those that the file names.
    """

    scheduler: str | None
    tls: str
    left_s: float
    hosts: Sequence[HostStatus]
    left: Sequence[LeftOn]
    file_differs: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def status(fleet: Fleet, place: Place, hosts: Hosts) -> FleetStatus:
    """Return how a fleet is, and whether it has the hosts of its file.

    Raises InfrastructureError if its scheduler does not answer.
    """
    runs = fleet.process.runs()
    workers = workers_of(fleet.address, Tls.in_folder(place.tls)) if runs else {}
    return FleetStatus(
        scheduler=fleet.address if runs else None,
        tls=str(place.tls),
        left_s=round(fleet.until - time.time()),
        hosts=[_host(member, workers) for member in fleet.members],
        left=[
            LeftOn(name=one.host.name, address=one.host.address, folder=one.folder.here)
            for one in fleet.left
        ],
        file_differs=file_differs(fleet, hosts),
    )


def file_differs(fleet: Fleet, hosts: Hosts) -> str:
    """Return in what the hosts of a fleet that is up are not those that its file names now."""
    if not fleet.members:
        return ""
    ours = {member.host.name: member.host for member in fleet.members}
    named = {host.name: host for host in hosts.hosts}
    kinds = {
        "new": named.keys() - ours.keys(),
        "not there any more": ours.keys() - named.keys(),
        "changed": {name for name in named.keys() & ours.keys() if named[name] != ours[name]},
    }
    return "; ".join(
        f"{', '.join(sorted(names))}: {what}" for what, names in kinds.items() if names
    )


def _host(member: Member, workers: Mapping[str, Worker]) -> HostStatus:
    host, worker = member.host, workers.get(member.host.name)
    state, detail = UP, "" if worker is None else worker.address
    if member.failure is not None:
        state, detail = FAILED, member.failure
    elif worker is None:
        state, detail = (
            GONE,
            "its worker is lost; run --fleet starts it again when the host is back",
        )
    return HostStatus(
        name=host.name,
        address=host.address,
        state=state,
        cores=member.cores,
        memory_mib=member.memory_mib,
        boots=member.boots,
        tags=host.tags,
        qemu=member.qemu,
        running=0 if worker is None else worker.running,
        seen_s=None if worker is None else round(max(0.0, time.time() - worker.seen), 1),
        detail=detail,
    )
