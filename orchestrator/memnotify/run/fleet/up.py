"""Makes a fleet of hosts: an environment on each, a scheduler here, workers there."""

from __future__ import annotations

import ipaddress
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.qemu import version
from memnotify.process import CommandLog
from memnotify.run.executors.protocol import Tls
from memnotify.run.fleet.certificates import make_pairs
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.hosts import Host, Hosts
from memnotify.run.fleet.member import (
    Entered,
    Equipped,
    Folder,
    Offer,
    call,
    end_on,
    enter,
    equip,
    offer,
    start_worker,
)
from memnotify.run.fleet.packing import own_package, packages
from memnotify.run.fleet.remote import Connect, Remote, all_failed, close_all, connect, on_all
from memnotify.run.fleet.scheduler import start_scheduler, watching
from memnotify.run.fleet.state import Fleet, Member, Place
from memnotify.run.living import NOBODY, Process
from memnotify.store import Store
from memnotify.text import counted

_JOIN_S = 90.0
_LOOK_S = 0.2
_ASK_S = 5.0
_ANY = "0.0.0.0"
_HERE, _SCHEDULER = (
    "this machine",
    "the scheduler",
)  # members of every fleet; no host has such a name

Say = Callable[[str], None]


@dataclass(slots=True)
class Making:
    """A fleet that is being made: what is known of its hosts, by name.

    `earlier` are hosts on which something of an earlier fleet may be left. Without `say_failures`,
    failures are only noted.
    """

    id: str
    hosts: Mapping[str, Host]
    say: Say
    remotes: dict[str, Remote] = field(default_factory=dict)
    entered: dict[str, Entered] = field(default_factory=dict)
    equipped: dict[str, Equipped] = field(default_factory=dict)
    failures: dict[str, InfrastructureError] = field(default_factory=dict)
    earlier: Sequence[Member] = ()
    say_failures: bool = True

    def failed(self, name: str, error: InfrastructureError) -> None:
        if self.say_failures:
            self.say(f"{name}: {error}")
        self.failures[name] = error

    def left(self) -> dict[str, Remote]:
        """Return the connections to the hosts on which nothing has failed. Raises
        InfrastructureError if there is none."""
        left = {name: one for name, one in self.remotes.items() if name not in self.failures}
        if not left:
            raise all_failed(self.failures)
        return left


def up(
    hosts: Hosts,
    *,
    store: Store,
    say: Say,
    tied: bool = False,
    connect: Connect = connect,
) -> Fleet:
    """Make a fleet and return it; hosts that failed are in it, with the reason.

    With `tied`, the scheduler dies with this process. Raises InputError if the fleet is up already,
    and InfrastructureError if no host is left; then nothing of it is left anywhere.
    """
    place = Place(hosts.file)
    with place.hold(store):
        earlier = end_earlier(place, say=say, connect=connect)
        log = CommandLog(store.folder("logs") / "commands.jsonl")
        making = Making(secrets.token_hex(8), {host.name: host for host in hosts.hosts}, say)
        making.earlier = earlier
        try:
            with entering(making, connect=connect):
                place.make()
                place.write(_fleet(making, {}, address="", process=NOBODY, until=0.0))
                refuse_other_qemus(making)
                equip_all(making, store, log)
                return _begin(making, hosts, place, log, tied=tied)
        except BaseException:
            left = place.read()
            if left is not None:
                take_down(left, place, say=say, connect=connect)
            raise


def end_earlier(place: Place, *, say: Say, connect: Connect = connect) -> Sequence[Member]:
    """Remove what is left of earlier fleets; return the hosts on which that was not possible.

    Raises InputError if a fleet is up.
    """
    before = place.read()
    if before is None:
        return ()
    if before.process.runs():
        hint = "end it with memnotify fleet down, or use it with memnotify run --fleet"
        raise InputError("the fleet of these hosts is up already", file=place.hosts, hint=hint)
    if before.members:
        say("ending a fleet of these hosts that has lost its scheduler")
    else:
        say("removing what an earlier fleet has left on these hosts")
    if names := take_down(before, place, say=say, connect=connect):
        again = f"memnotify fleet down {place.hosts}"
        say(f"something may be left on {', '.join(names)}; when they are back: {again}")
    left = place.read()
    return () if left is None else left.left


@contextmanager
def entering(making: Making, *, connect: Connect) -> Iterator[None]:
    """Connect to all hosts, and make a folder on each; connections end with the context."""
    making.remotes = {name: connect(host) for name, host in making.hosts.items()}

    def one(name: str, remote: Remote) -> None:
        making.entered[name] = enter(making.hosts[name], remote, making.id)

    try:
        try:
            on_all(making.remotes, one, making.failed)
        except BaseException:
            # Ctrl-C while one host does not answer: nobody else knows of the folders on the others.
            _end_on(making, making.entered)
            raise
        making.entered = {n: making.entered[n] for n in making.hosts if n in making.entered}
        making.left()
        yield
    finally:
        close_all(making.remotes)


def equip_all(making: Making, store: Store, log: CommandLog) -> None:
    """Make an environment on each host. Raises InfrastructureError if no host is left."""
    with tempfile.TemporaryDirectory(prefix="memnotify-fleet-") as folder:
        own = Path(folder) / "memnotify.tar.gz"
        own_package(own, log)
        packed = (packages(store), own)
        size = sum(file.stat().st_size for file in packed) / 1e6
        making.say(f"sending an environment of {size:.0f} MB")
        making.equipped = on_all(
            making.left(),
            lambda name, remote: equip(making.entered[name], remote, packed),
            making.failed,
        )
    making.left()


def refuse_other_qemus(making: Making) -> None:
    """Let hosts fail whose QEMU is not the one here: results are keyed by its version."""
    try:
        wanted: str | None = version()
    except InfrastructureError:
        wanted = None  # there is none here: that of the first host counts
    for name in making.left():
        found = making.entered[name].qemu
        wanted = wanted or found
        if found is None:
            making.failed(name, InfrastructureError("host", "it has no QEMU"))
        elif found != wanted:
            text = f"its QEMU differs: {found!r} there, {wanted!r} here"
            making.failed(name, InfrastructureError("qemu", text))


def _fleet(
    making: Making, offers: Mapping[str, Offer], *, address: str, process: Process, until: float
) -> Fleet:
    members = []
    for name, entered in making.entered.items():
        error, offered = making.failures.get(name), offers.get(name)
        member = Member(
            host=entered.host,
            folder=entered.folder,
            failure=None if error is None else error.message,
        )
        if offered is not None:
            member = replace(
                member,
                memory_mib=offered.memory_mib,
                cores=offered.cores,
                boots=offered.boots,
                qemu=entered.qemu or "",
            )
        members.append(member)
    return Fleet(
        id=making.id,
        address=address,
        process=process,
        until=until,
        members=tuple(members),
        left=making.earlier,
    )


def _begin(making: Making, hosts: Hosts, place: Place, log: CommandLog, *, tied: bool) -> Fleet:
    pairs = make_pairs(making.id, [_HERE, _SCHEDULER, *making.left()], hours=hosts.hours)
    ours = {name: hosts.listen or making.entered[name].ours for name in making.left()}
    listen = _listen(hosts, ours)
    process, port = start_scheduler(
        place, pairs[_HERE], pairs[_SCHEDULER], listen=listen, log=log, tied=tied
    )
    until = time.time() + hosts.hours * 3600
    offers = {name: offer(making.hosts[name], making.equipped[name].facts) for name in ours}
    address = _address(next(iter(ours.values())) or listen, port)
    place.write(_fleet(making, offers, address=address, process=process, until=until))

    def start(name: str, remote: Remote) -> None:
        start_worker(
            making.entered[name],
            making.equipped[name],
            remote,
            fleet=making.id,
            offered=offers[name],
            scheduler=_address(ours[name] or listen, port),
            pair=pairs[name],
            hours=hosts.hours,
        )

    on_all(making.left(), start, making.failed)
    _wait(making, place, address)
    _end_failed(making)
    fleet = _fleet(making, offers, address=address, process=process, until=until)
    there = {member.host.name: member for member in fleet.members}
    members = tuple(there.get(name) or _never_entered(making, name) for name in making.hosts)
    fleet = replace(fleet, members=members)
    place.write(fleet)
    working = [member for member in fleet.members if member.failure is None]
    cores, memory = sum(m.cores for m in working), sum(m.memory_mib for m in working)
    making.say(
        f"{counted(len(working), 'host')} of {len(fleet.members)} up: "
        f"{counted(cores, 'core')} and {memory} MiB for guests"
    )
    return fleet


def _never_entered(making: Making, name: str) -> Member:
    host = making.hosts[name]
    message = making.failures[name].message
    folder = Folder(here="", made=False, python=host.python)
    return Member(host=host, folder=folder, failure=message)


def _listen(hosts: Hosts, ours: Mapping[str, str | None]) -> str:
    """Return the address at which the scheduler listens. Raises InputError if it is not known."""
    found = set(ours.values())
    if None in found:
        name = next(name for name, address in ours.items() if address is None)
        raise InputError(
            f"ssh reaches {name} through another program, so the address of this machine that "
            "it can reach is not known",
            file=hosts.file,
            hint='write listen = "ADDRESS" at the head of the file',
        )
    if len(found) == 1:
        return str(found.pop())
    if any(ipaddress.ip_address(str(address).partition("%")[0]).version != 4 for address in found):
        raise InputError(
            "the hosts are reached from several addresses of this machine, some of IPv6",
            file=hosts.file,
            hint='write listen = "ADDRESS" at the head of the file',
        )
    return _ANY


def _address(host: str, port: int) -> str:
    return f"tls://[{host}]:{port}" if ":" in host else f"tls://{host}:{port}"


def _wait(making: Making, place: Place, address: str) -> None:
    """Wait until all workers are there; those that do not come have failed."""
    now = time.monotonic()
    until, ask = now + _JOIN_S, now + _ASK_S
    with watching(address, Tls.in_folder(place.tls)) as look:
        while missing := making.left().keys() - look().keys():
            late = time.monotonic() > until
            if late or time.monotonic() > ask:
                for name in missing:
                    remote = making.remotes[name]
                    if late or not _looked(making, name, remote)["processes"]:
                        _did_not_come(making, name, remote)
                ask = time.monotonic() + _ASK_S
            time.sleep(_LOOK_S)


def _looked(making: Making, name: str, remote: Remote) -> dict[str, object]:
    folder = making.entered[name].folder
    found: dict[str, object] = call(folder, remote, "look", {"id": making.id})
    return found


def _did_not_come(making: Making, name: str, remote: Remote) -> None:
    lines = str(_looked(making, name, remote)["log"]).strip().splitlines() or ["it said nothing"]
    text = f"its worker did not reach the scheduler: {lines[-1].strip()}"
    making.failed(name, InfrastructureError("host", text, hint="is a firewall between them?"))


def _end_failed(making: Making) -> None:
    """Leave nothing on hosts that the fleet goes on without; else `down` tries again."""
    _end_on(making, [name for name in making.entered if name in making.failures])


def _end_on(making: Making, names: Iterable[str]) -> None:
    """End the fleet on some hosts; where that fails, nothing more can be done now."""
    on_all(
        {name: making.remotes[name] for name in names},
        lambda name, remote: end_on(making.entered[name].folder, remote, making.id),
        lambda name, error: None,
    )
