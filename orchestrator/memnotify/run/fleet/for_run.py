"""A fleet for one run: the one that is up, else one that is made for it and ends with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from memnotify.errors import InfrastructureError, InputError
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.fleet.again import bring_back
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.hosts import Hosts, asked
from memnotify.run.fleet.remote import Connect, connect
from memnotify.run.fleet.scheduler import same_versions, workers_of
from memnotify.run.fleet.state import Fleet, Member, Place, cluster_of
from memnotify.run.fleet.status import file_differs
from memnotify.run.fleet.up import Say, up
from memnotify.store import Store

_PATIENCE_S = 30.0
"""Another run is done with its look at the hosts by then, or waits for one that is silent."""


def refuse_tags(hosts: Hosts, tags: Collection[str]) -> None:
    """Raise InputError if no host has the tags: of the fleet that is up, else of the file."""
    found = _up(Place(hosts.file))
    if found is None:
        hosts.with_tags(tags)
    else:
        _with_tags(found, hosts, tags)


@contextmanager
def fleet_for_run(
    hosts: Hosts,
    *,
    store: Store,
    say: Say,
    tags: Collection[str] = (),
    connect: Connect = connect,
) -> Iterator[Cluster]:
    """Yield the cluster of some hosts; one that is made has only those with the tags.

    Raises InfrastructureError if no host is left, or if another command keeps changing the fleet;
    InputError if no host has the tags.

    Hosts of a fleet that is up, and that were switched off meanwhile, are brought back.
    A host on which something of the fleet may be left is told of, but fails no run.
    """
    place = Place(hosts.file)
    cluster = None
    if _up(place) is not None:
        # One that is being made has a scheduler before it has workers.
        with place.hold(store, patience_s=_PATIENCE_S):
            if (found := _up(place)) is not None:
                cluster = _joined(found, place, hosts, tags, say=say, connect=connect)
    if cluster is not None:
        with same_versions():
            yield cluster
        return
    made = up(hosts.with_tags(tags), store=store, say=say, tied=True, connect=connect)
    try:
        working = sum(member.failure is None for member in made.members)
        with same_versions():
            yield cluster_of(made, place, hosts=working)
    finally:
        say("ending the fleet")
        with place.hold(store):
            if take_down(made, place, say=say, connect=connect):
                say(f"when they are back: memnotify fleet down {hosts.file}")


def _up(place: Place) -> Fleet | None:
    found = place.read()
    return found if found is not None and found.process.runs() else None


def _with_tags(fleet: Fleet, hosts: Hosts, tags: Collection[str]) -> Sequence[Member]:
    """Return the members that have all of these tags. Raises InputError if there is none."""
    found = [member for member in fleet.members if member.host.has(tags)]
    if not found:
        text = f"no host of the fleet that is up has the tags {', '.join(asked(tags))}"
        hint = "they count as they were when it was made: memnotify fleet down, and up again"
        raise InputError(text, file=hosts.file, hint=hint)
    return found


def _joined(
    found: Fleet,
    place: Place,
    hosts: Hosts,
    tags: Collection[str],
    *,
    say: Say,
    connect: Connect,
) -> Cluster:
    """Return the cluster of a fleet that is up, with the hosts that can be brought back."""
    say("using the fleet of these hosts that is up")
    if differs := file_differs(found, hosts):
        again = "memnotify fleet down, and up again, for these"
        say(f"{hosts.file} has other hosts than the fleet: {differs}; {again}")
    members = _with_tags(found, hosts, tags)
    there = workers_of(found.address, Tls.in_folder(place.tls))
    back = bring_back(found, members, there, say=say, connect=connect)
    expected = len(there) + len(back.started)
    if not back.started and not any(member.host.name in there for member in members):
        if not back.joining:
            text = "no host of this fleet is left"
            if named := asked(tags):
                text += f" that has the tags {', '.join(named)}"
            hint = f"memnotify fleet down {hosts.file}"
            raise InfrastructureError("host", text, hint=hint)
        expected += 1  # the run waits for one of those that join by themselves
    return cluster_of(found, place, hosts=expected)
