"""A fleet for one run: the one that is up, else one that is made for it and ends with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from memnotify.errors import InfrastructureError
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.fleet.again import bring_back
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.hosts import Hosts
from memnotify.run.fleet.remote import Connect, connect
from memnotify.run.fleet.scheduler import same_versions, workers_of
from memnotify.run.fleet.state import Place, cluster_of
from memnotify.run.fleet.status import file_differs
from memnotify.run.fleet.up import Say, up
from memnotify.store import Store


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

    Raises InfrastructureError if no host is left.

    Hosts of a fleet that is up, and that were switched off meanwhile, are brought back.
    A host on which something of the fleet may be left is told of, but fails no run.
    """
    place = Place(hosts.file)
    found = place.read()
    if found is not None and found.process.runs():
        say("using the fleet of these hosts that is up")
        if differs := file_differs(found, hosts):
            again = "memnotify fleet down, and up again, for these"
            say(f"{hosts.file} has other hosts than the fleet: {differs}; {again}")
        there = workers_of(found.address, Tls.in_folder(place.tls))
        back = bring_back(found, there, say=say, connect=connect)
        if not there and not back:
            hint = f"memnotify fleet down {hosts.file}"
            raise InfrastructureError("host", "no host of this fleet is left", hint=hint)
        with same_versions():
            yield cluster_of(found, place, hosts=len(there) + back)
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
