"""How a fleet is: each host, as the scheduler sees its worker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from memnotify.run.executors.protocol import Tls
from memnotify.run.fleet.scheduler import Worker, workers_of
from memnotify.run.fleet.state import Fleet, Member, Place

UP, GONE, FAILED = "up", "gone", "failed"


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
class FleetStatus:
    """`scheduler` is its address, or None if it is gone; `left_s` how long certificates hold."""

    scheduler: str | None
    tls: str
    left_s: float
    hosts: Sequence[HostStatus]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def status(fleet: Fleet, place: Place) -> FleetStatus:
    """Return how a fleet is. Raises InfrastructureError if its scheduler does not answer."""
    runs = fleet.process.runs()
    workers = workers_of(fleet.address, Tls.in_folder(place.tls)) if runs else {}
    return FleetStatus(
        scheduler=fleet.address if runs else None,
        tls=str(place.tls),
        left_s=round(fleet.until - time.time()),
        hosts=[_host(member, workers) for member in fleet.members],
    )


def _host(member: Member, workers: Mapping[str, Worker]) -> HostStatus:
    host, worker = member.host, workers.get(member.host.name)
    state, detail = UP, "" if worker is None else worker.address
    if member.failure is not None:
        state, detail = FAILED, member.failure
    elif worker is None:
        state, detail = GONE, "its worker is not known to the scheduler"
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
