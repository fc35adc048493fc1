"""Starts the workers of hosts that were switched off while their fleet was up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from memnotify.errors import InfrastructureError, InputError
from memnotify.run.fleet.member import start_again
from memnotify.run.fleet.remote import Connect, Remote, close_all, connect, on_all
from memnotify.run.fleet.state import Fleet

Say = Callable[[str], None]


def bring_back(
    fleet: Fleet, there: Collection[str], *, say: Say, connect: Connect = connect
) -> int:
    """Start the workers of the hosts that are missing; return how many were started.

    `there` are the names of the workers that the scheduler knows. A host that cannot be reached, or
    that has lost what the fleet had there, is told of, and stays away.
    """
    missing = {
        member.host.name: member
        for member in fleet.members
        if member.failure is None and member.host.name not in there
    }
    remotes: dict[str, Remote] = {}

    def failed(name: str, error: InfrastructureError) -> None:
        say(f"{name}: {error}; the run goes on without it")

    for name, member in missing.items():
        try:
            remotes[name] = connect(member.host)
        except InputError as error:
            failed(name, InfrastructureError("host", error.message))

    def start(name: str, remote: Remote) -> bool:
        left = fleet.until - time.time()
        return start_again(missing[name].folder, remote, fleet.id, seconds=left)

    try:
        started = on_all(remotes, start, failed)
    finally:
        close_all(remotes)
    for name, new in started.items():
        if new:
            say(f"{name}: it was switched off, and its worker is started again")
        else:
            say(f"{name}: its worker has lost the scheduler, and joins when it can")
    return sum(started.values())
