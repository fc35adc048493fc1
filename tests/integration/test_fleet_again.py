"""A run joins a fleet that is up, some of whose hosts have no worker: hosts are folders."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.fleet import for_run, there
from memnotify.run.fleet.certificates import make_pairs
from memnotify.run.fleet.for_run import fleet_for_run, refuse_tags
from memnotify.run.fleet.hosts import Hosts, load_hosts
from memnotify.run.fleet.member import Folder, call, end_on
from memnotify.run.fleet.state import Fleet, Member, Place
from memnotify.run.living import Process
from memnotify.store import Store

from tests.support.fleet_lab import FleetLab
from tests.support.processes import alive

ID = "f1"


@dataclass
class Joined:
    """A fleet that is up: its scheduler knows the workers in `known`, alpha and beta are hosts.

    Only beta has the tag big.
    """

    lab: FleetLab
    store: Store
    hosts: Hosts
    fleet: Fleet
    known: list[str]

    def join(self, *tags: str) -> Cluster:
        """Join it for a run, and return the cluster."""
        lab = self.lab
        with fleet_for_run(
            self.hosts, store=self.store, say=lab.say, tags=tags, connect=lab.connect
        ) as cluster:
            return cluster

    def member(self, name: str) -> Member:
        return next(member for member in self.fleet.members if member.host.name == name)

    def start(self, name: str) -> int:
        """Start what keeps the worker of a host; return its process."""
        member = self.member(name)
        given: dict[str, Any] = {
            "id": ID,
            "words": [sys.executable, "-c", "import time; time.sleep(60)"],
            "environment": {},
            "address": None,
            "scheduler": ["127.0.0.1", 1],
            "seconds": 60,
        }
        pid = call(member.folder, self.lab.connect(member.host), "start", given)["pid"]
        return int(pid)

    def end(self, name: str) -> None:
        """End what keeps the worker of a host; its files stay."""
        pid = self.start(name)
        os.killpg(pid, signal.SIGKILL)
        while alive(pid):
            time.sleep(0.01)


@pytest.fixture
def joined(fleet_lab: FleetLab, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Joined]:
    hosts = fleet_lab.load("alpha", "beta", more='tags = ["big"]\n')
    members = []
    for host in hosts.hosts:
        here = Path(fleet_lab.connect(host).home) / "memnotify-fleet" / ID
        here.mkdir(parents=True)
        shutil.copy(there.__file__, here / "there.py")
        members.append(
            Member(host=host, folder=Folder(here=str(here), made=True, python=host.python))
        )
    scheduler = subprocess.Popen(["sleep", "600"])
    until = time.time() + 600
    fleet = Fleet(
        id=ID,
        address="tls://127.0.0.1:1",
        process=Process.of(scheduler.pid),
        until=until,
        members=members,
    )
    place = Place(hosts.file)
    place.make()
    place.write(fleet)
    make_pairs(ID, ["here"], hours=1)["here"].write(place.tls)
    made = Joined(fleet_lab, store, hosts, fleet, [])

    def workers_of(address: str, tls: Tls) -> Collection[str]:
        with pytest.raises(InfrastructureError, match="another command is"), place.hold(store):
            pass
        return made.known

    monkeypatch.setattr(for_run, "workers_of", workers_of)
    yield made
    scheduler.kill()
    scheduler.wait()
    fleet_lab.broken.clear()
    for member in members:
        end_on(member.folder, fleet_lab.connect(member.host), ID)


def test_a_run_waits_for_a_worker_that_joins_by_itself(joined: Joined) -> None:
    joined.start("alpha")
    joined.lab.broken.add("beta")
    assert joined.join().hosts == 1
    assert joined.lab.said[1:] == [
        "beta: Name or service not known; the run goes on without it",
        "alpha: its worker has not joined yet, and joins when it can",
    ]
    joined.known = ["beta"]
    assert joined.join().hosts == 1


def test_a_worker_whose_keeper_has_ended_is_started_again(joined: Joined) -> None:
    joined.end("alpha")
    joined.known = ["beta"]
    assert joined.join().hosts == 2
    assert joined.lab.said[1:] == ["alpha: its worker had ended, and is started again"]


def test_a_run_without_any_host_is_not_said_to_go_on(joined: Joined) -> None:
    joined.lab.broken |= {"alpha", "beta"}
    with pytest.raises(
        InfrastructureError, match=r"^no host of this fleet is left \(memnotify fleet"
    ):
        joined.join()
    assert sorted(joined.lab.said[1:]) == [
        "alpha: Name or service not known",
        "beta: Name or service not known",
    ]


def test_a_host_without_the_tags_of_a_run_is_not_asked(joined: Joined) -> None:
    joined.lab.broken.add("alpha")
    joined.known = ["beta"]
    assert joined.join("big", "kvm").hosts == 1
    assert len(joined.lab.said) == 1


def test_a_worker_without_the_tags_of_a_run_is_no_host_for_it(joined: Joined) -> None:
    joined.known = ["alpha"]
    joined.start("beta")
    assert joined.join("big").hosts == 2
    joined.lab.broken.add("beta")
    said = r"^no host of this fleet is left that has the tags big \(memnotify fleet down "
    with pytest.raises(InfrastructureError, match=said):
        joined.join("big", "kvm")
    assert joined.lab.said[-1] == "beta: Name or service not known"


def test_tags_count_as_they_were_when_the_fleet_was_made(joined: Joined) -> None:
    file = joined.hosts.file
    file.write_text(file.read_text().replace("big", "ssd"))
    now = load_hosts(file)
    refuse_tags(now, ["kvm", "big"])
    with pytest.raises(InputError, match="no host of the fleet that is up has the tags ssd"):
        refuse_tags(now, ["kvm", "ssd"])
    joined.hosts = now
    with pytest.raises(InputError, match="no host of the fleet that is up has the tags ssd"):
        joined.join("ssd")


def test_a_fleet_that_another_command_is_at_is_busy(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may just be made: then its scheduler runs, and no worker is known yet."""
    monkeypatch.setattr(for_run, "_PATIENCE_S", 0.0)
    with (
        Place(joined.hosts.file).hold(joined.store),
        pytest.raises(InfrastructureError, match="making, joining or ending") as caught,
    ):
        joined.join()
    assert caught.value.kind == "busy" and joined.lab.said == []
