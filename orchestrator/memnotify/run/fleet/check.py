"""Checks the hosts of a fleet before it is made: doctor is asked on each, and nothing stays."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from memnotify.errors import InfrastructureError
from memnotify.process import CommandLog
from memnotify.run.fleet.hosts import Hosts
from memnotify.run.fleet.member import end_on, in_environment, offer
from memnotify.run.fleet.remote import Connect, Remote, connect, on_all
from memnotify.run.fleet.up import Making, Say, entering, equip_all, refuse_other_qemus
from memnotify.store import Store

_MISSING = "missing"  # the state of a check that fails, in what doctor prints


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """Whether a host is fit for guests. `doctor` has the rows of `memnotify doctor --json`."""

    name: str
    problems: Sequence[str]
    cores: int | None = None
    memory_mib: int | None = None
    qemu: str | None = None
    doctor: Sequence[Mapping[str, Any]] = ()

    @property
    def fit(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "fit": self.fit}

    def row(self) -> dict[str, Any]:
        """Return the values of its row in a table."""
        return {
            "host": self.name,
            "state": "ok" if self.fit else "missing",
            "cores": self.cores,
            "memory_mib": self.memory_mib,
            "detail": "; ".join(self.problems) or self.qemu or "",
        }


def check(hosts: Hosts, *, store: Store, say: Say, connect: Connect = connect) -> list[HostCheck]:
    """Check all hosts, at the same time. Raises InputError."""
    making = Making(secrets.token_hex(8), {host.name: host for host in hosts.hosts}, say)
    making.say_failures = False  # they are in what is returned
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    asked: dict[str, Sequence[Mapping[str, Any]]] = {}
    try:
        with entering(making, connect=connect):
            try:
                refuse_other_qemus(making)
                equip_all(making, store, log)
                asked = on_all(
                    {name: making.remotes[name] for name in making.equipped},
                    lambda name, remote: _doctor(making, name, remote),
                    making.failed,
                )
            finally:
                on_all(
                    {name: making.remotes[name] for name in making.entered},
                    lambda name, remote: end_on(making.entered[name].folder, remote, making.id),
                    making.failed,
                )
    except InfrastructureError:
        if len(making.failures) < len(making.hosts):
            raise
    return [_found(making, name, asked.get(name, ())) for name in making.hosts]


def _doctor(making: Making, name: str, remote: Remote) -> Sequence[Mapping[str, Any]]:
    equipped = making.equipped[name]
    words = in_environment(
        making.entered[name].folder,
        equipped.python,
        equipped.cache,
        *("memnotify", "doctor", "--guests", "--json"),
    )
    done = remote.run(shlex.join(words), hide=True, warn=True, in_stream=False)
    try:
        rows: Sequence[Mapping[str, Any]] = json.loads(done.stdout)
    except ValueError as error:
        text = str(done.stderr).strip().splitlines()[-1:] or ["it said nothing"]
        raise InfrastructureError("host", f"doctor: {text[0]}") from error
    return rows


def _found(making: Making, name: str, doctor: Sequence[Mapping[str, Any]]) -> HostCheck:
    error, equipped = making.failures.get(name), making.equipped.get(name)
    problems = [] if error is None else [str(error)]
    for row in doctor:
        if row["state"] == _MISSING:
            fix = f": {row['fix']}" if row["fix"] else ""
            problems.append(f"{row['name']}: {row['detail']}{fix}")
    if equipped is None:
        return HostCheck(name=name, problems=problems)
    offered = offer(making.hosts[name], equipped.facts)
    return HostCheck(
        name=name,
        problems=problems,
        cores=offered.cores,
        memory_mib=offered.memory_mib,
        qemu=making.entered[name].qemu,
        doctor=doctor,
    )
