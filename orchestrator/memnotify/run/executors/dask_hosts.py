"""The hosts of a cluster, as a run knows them: which can run its cells, and which should not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from memnotify.errors import InputError
from memnotify.run.executors.parcel import HostFacts, differs
from memnotify.run.executors.protocol import FOUND, KVM, OWN
from memnotify.run.need import Need

UNFIT = frozenset(("disk-full", "storage", "other-qemu", "spawn"))
"""Failures that other cells would have on the same host."""

MOST_FAILURES = 3
"""So many failures of whatever kind, one after the other, and a host gets no more cells."""


@dataclass(slots=True)
class HostState:
    """A host with our QEMU. `failures` are those since its last result."""

    facts: HostFacts
    unfit: str = ""
    failures: int = 0
    running: int = 0

    @property
    def slots(self) -> int:
        """How many guests it can run at a time, as far as Dask knows."""
        return max(1, min(self.facts.threads, self.facts.cores))


def _lacks(missing: Collection[str]) -> str:
    tags = [name for name in missing if not name.startswith(OWN)]
    found = [name.removeprefix(OWN) for name in missing if name.startswith(OWN) and name != KVM]
    words = ["cannot use KVM"] if KVM in missing else []
    words += [f"is not {name}" for name in found]
    if tags:
        words.append(f"has no tag {', '.join(tags)}")
    return " and ".join(words)


class Hosts:
    """The hosts that have joined, by the address of their workers.

    `wanted` are tags or resources without which a host gets no cells of this run.
    """

    def __init__(self, wanted: Collection[str] = ()) -> None:
        self.wanted = tuple(dict.fromkeys(FOUND.get(name, name) for name in wanted))
        self._there: dict[str, HostState] = {}
        self._names: dict[str, str] = {}

    def join(self, facts: HostFacts) -> str:
        """Add a host; return why it gets no cells, if it gets none."""
        self._names[facts.address] = facts.name
        if told := differs(facts):
            return f"{told}: it gets no cells, as its records would be others"
        if missing := [name for name in self.wanted if name not in facts.offers]:
            return f"host {facts.name} {_lacks(missing)}: it gets no cells of this run"
        self._there.setdefault(facts.address, HostState(facts))
        return ""

    def refuse_none(self) -> None:
        """Raise InputError if no host has what is wanted."""
        if self.wanted and not self._there:
            raise InputError(
                f"every host of the cluster {_lacks(self.wanted)}",
                hint="--accel tcg needs no KVM"
                if KVM in self.wanted
                else "tags are those of the file of hosts, as it was when the fleet was made",
            )

    def leave(self, address: str) -> HostState | None:
        """Remove a host; return it if it could run cells."""
        return self._there.pop(address, None)

    def __len__(self) -> int:
        return len(self._there)

    def __contains__(self, address: str) -> bool:
        return address in self._there

    def name(self, address: str) -> str:
        """Return how users know the host at an address."""
        return self._names.get(address, address)

    def get(self, address: str | None) -> HostState | None:
        """Return the host at an address."""
        return None if address is None else self._there.get(address)

    def fit(self) -> dict[str, HostState]:
        """Return the hosts that should get cells."""
        return {address: host for address, host in self._there.items() if not host.unfit}

    def slots(self) -> int:
        """Return how many guests can run at a time."""
        return sum(host.slots for host in self.fit().values())

    def choice(self, avoid: Collection[str]) -> list[str] | None:
        """Return where a cell may go, best without hosts of these names; None: anywhere."""
        fit = self.fit()
        better = [address for address, host in fit.items() if host.facts.name not in avoid]
        if better and len(better) < len(self._there):
            return better
        return list(fit) if fit and len(fit) < len(self._there) else None

    def elsewhere(self, avoid: Collection[str]) -> bool:
        """Return whether any host is left besides those of these names."""
        return any(host.facts.name not in avoid for host in self.fit().values())

    def idle(self, avoid: Collection[str]) -> bool:
        """Return whether a host besides those of these names has room now."""
        return any(
            host.running < host.slots
            for host in self.fit().values()
            if host.facts.name not in avoid
        )

    def returned(self, name: str, failure: str | None) -> str:
        """Note what came back from a host; return why it gets no more cells, the first time."""
        for host in self._there.values():
            if host.facts.name != name or host.unfit:
                continue
            host.failures = 0 if failure is None else host.failures + 1
            if failure in UNFIT or host.failures >= MOST_FAILURES:
                host.unfit = failure or ""
                return host.unfit
        return ""

    def least_cores(self) -> int:
        """Return the cores of the smallest host: a cell that wants more gets all of any host."""
        return min((host.facts.cores for host in self._there.values()), default=1)

    def refuse_if_never(self, wanted: Mapping[str, Need]) -> None:
        """Raise InputError for the first cell that is larger than every host."""
        most = max((host.facts.memory_mib for host in self._there.values()), default=0)
        for name, need in wanted.items():
            if need.memory_mib > most:
                raise InputError(
                    f"{name} needs {need.memory_mib} MiB of a host, and the largest of the cluster "
                    f"has {most} MiB for guests",
                    hint="use a smaller memory_mib, swap_mib or log_records, or a larger host",
                )
