"""Ends a fleet: no process and no file of it is left, on the hosts or here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from memnotify.errors import InfrastructureError
from memnotify.run.fleet.member import end_on
from memnotify.run.fleet.remote import Connect, close_all, connect, on_all
from memnotify.run.fleet.scheduler import end_scheduler
from memnotify.run.fleet.state import NOBODY, Fleet, Place, without

Say = Callable[[str], None]


def take_down(
    fleet: Fleet, place: Place, *, say: Say, connect: Connect = connect
) -> dict[str, InfrastructureError]:
    """End a fleet; return the hosts on which something may be left, with the reason.

    Those are kept in mind, so that it can be tried again.
    """
    end_scheduler(fleet.process)
    failures: dict[str, InfrastructureError] = {}

    def failed(name: str, error: InfrastructureError) -> None:
        say(f"{name}: {error}")
        failures[name] = error

    members = {member.host.name: member for member in fleet.members if member.folder.here}
    remotes = {name: connect(member.host) for name, member in members.items()}
    try:
        on_all(
            remotes,
            lambda name, remote: end_on(members[name].folder, remote, fleet.id),
            failed,
        )
    finally:
        close_all(remotes)
    if failures:
        place.write(replace(without(fleet, list(failures)), process=NOBODY))
        place.remove_secrets()
    else:
        place.remove()
    return {name: failures[name] for name in members if name in failures}
