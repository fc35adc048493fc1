"""Starts the workers of hosts that were switched off while their fleet was up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from memnotify.errors import InfrastructureError, InputError
from memnotify.run.fleet.member import start_again
from memnotify.run.fleet.remote import Connect, Remote, close_all, connect, on_all
from memnotify.run.fleet.state import Fleet, Member

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """The hosts of a fleet that the scheduler does not know, and that can be reached.

    The worker of those in `started` was started; that of those in `joining` is kept by what started
    it before, and joins by itself when it can.
    """

    started: Sequence[str]
    joining: Sequence[str]


def bring_back(
    fleet: Fleet,
    members: Collection[Member],
    there: Collection[str],
    *,
    say: Say,
    connect: Connect = connect,
) -> Back:
    """Start the workers of those of a fleet's members that are missing.

    `there` are the names of the workers that the scheduler knows. A host that cannot be reached, or
    that has lost what the fleet had there, is told of, and stays away.
    """
    able = {member.host.name: member for member in members if member.failure is None}
    missing = {name: member for name, member in able.items() if name not in there}
    remotes: dict[str, Remote] = {}
    failures: dict[str, InfrastructureError] = {}
    for name, member in missing.items():
        try:
            remotes[name] = connect(member.host)
        except InputError as error:
            failures[name] = InfrastructureError("host", error.message)

    def start(name: str, remote: Remote) -> bool:
        left = fleet.until - time.time()
        return start_again(missing[name].folder, remote, fleet.id, seconds=left)

    try:
        started = on_all(remotes, start, failures.__setitem__)
    finally:
        close_all(remotes)
    # Whether a run goes on without a host is known when all have answered.
    without = "; the run goes on without it" if len(failures) < len(able) else ""
    for name, failure in failures.items():
        say(f"{name}: {failure}{without}")
    for name, new in started.items():
        if new:
            say(f"{name}: its worker had ended, and is started again")
        else:
            say(f"{name}: its worker has not joined yet, and joins when it can")
    return Back(
        started=[name for name, new in started.items() if new],
        joining=[name for name, new in started.items() if not new],
    )
