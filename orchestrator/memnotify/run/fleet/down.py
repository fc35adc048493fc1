"""Ends a fleet: no process and no file of it is left, on the hosts or here."""

from __future__ import annotations

from collections.abc import Callable

from memnotify.errors import InfrastructureError, InputError
from memnotify.run.fleet.member import end_on
from memnotify.run.fleet.remote import (
    Connect,
    Remote,
    close_all,
    connect,
    connect_anyway,
    on_all,
)
from memnotify.run.fleet.scheduler import end_scheduler
from memnotify.run.fleet.state import Fleet, Member, Place

Say = Callable[[str], None]


def take_down(
    fleet: Fleet, place: Place, *, say: Say, connect: Connect = connect
) -> dict[str, InfrastructureError]:
    """End a fleet; return the hosts on which something may be left, with the reason.

    Those are kept in mind, so that it can be tried again, as are those of earlier fleets.
    """
    end_scheduler(fleet.process)
    failures: dict[str, InfrastructureError] = {}

    def failed(name: str, error: InfrastructureError) -> None:
        say(f"{name}: {error}")
        failures[name] = error

    members = _places(fleet)
    remotes = _reached(members, connect, say, failed)
    try:
        on_all(
            remotes,
            lambda name, remote: end_on(members[name].folder, remote, members[name].fleet),
            failed,
        )
    finally:
        close_all(remotes)
    if failures:
        place.write(fleet.ended([members[name] for name in members if name in failures]))
        place.remove_secrets()
    else:
        place.remove()
    return {name: failures[name] for name in members if name in failures}


def _places(fleet: Fleet) -> dict[str, Member]:
    """Return where something of a fleet is, or of earlier ones, by the name for users."""
    found = {member.host.name: member for member in fleet.members if member.folder.here}
    for member in fleet.left:
        name = member.host.name
        found[name if name not in found else f"{name} (fleet {member.fleet})"] = member
    return found


def _reached(
    members: dict[str, Member],
    connect: Connect,
    say: Say,
    failed: Callable[[str, InfrastructureError], None],
) -> dict[str, Remote]:
    """Return a connection to each host, also if a line of known_hosts is malformed."""
    remotes: dict[str, Remote] = {}
    told: str | None = None
    for name, member in members.items():
        try:
            remotes[name] = connect(member.host)
        except InputError as error:
            try:
                remotes[name] = connect_anyway(member.host)
            except InputError as again:
                failed(name, InfrastructureError("host", again.message))
            else:
                if told is None:
                    say(told := f"{error}; this line is passed over")
    return remotes
