"""Campaigns on a fleet of hosts that are folders: a host that comes back, a scheduler that dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.run.executors.protocol import Cluster
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.for_run import fleet_for_run
from memnotify.run.fleet.state import Fleet, Place, cluster_of
from memnotify.run.fleet.up import up

from tests.support import guests_there
from tests.support.cluster_lab import ClusterLab
from tests.support.fleet_lab import FleetLab
from tests.support.lab import meanwhile
from tests.support.processes import having, wait_for


class Campaign(ClusterLab):
    """A campaign that runs on the hosts of a fleet."""

    hosts: Cluster

    def cluster(self, hosts: int, patience_s: float = 60.0) -> Cluster:
        return self.hosts


@pytest.fixture
def lab(fleet_lab: FleetLab) -> FleetLab:
    fleet_lab.notes = fleet_lab.folder / "notes"
    return fleet_lab


@pytest.fixture
def campaign(tmp_path: Path, lab: FleetLab) -> Campaign:
    return Campaign(tmp_path)


@pytest.fixture
def fleet(lab: FleetLab, campaign: Campaign) -> Iterator[Fleet]:
    hosts = lab.load("alpha", "beta")
    made = up(hosts, store=campaign.store, say=lab.say, connect=lab.connect)
    place = Place(hosts.file)
    campaign.hosts = cluster_of(made, place, hosts=2)
    yield made
    left = place.read()
    assert left is None or not take_down(left, place, say=lab.say, connect=lab.connect)
    assert lab.files("alpha") == lab.files("beta") == []


def kill_worker(folder: str) -> None:
    """Kill the worker of a host, but not what keeps it: as if it had been cut off."""
    killed = 0
    keepers = having("there.py", "cmdline")
    for file in having(folder, "cmdline"):
        if file not in keepers:
            os.kill(int(file.parent.name), signal.SIGKILL)
            killed += 1
    assert killed


def test_a_host_that_comes_back_gets_cells_again(
    lab: FleetLab, campaign: Campaign, fleet: Fleet
) -> None:
    beta = next(member.folder.here for member in fleet.members if member.host.name == "beta")

    def kill() -> None:
        wait_for(lambda: campaign.noted("hangs"))
        (campaign.notes / "killed-test").touch()
        kill_worker(beta)

    with meanwhile(kill):
        folder = campaign.run_on(2, guests_there.back_on_beta)
    assert len(folder.verdicts()) == 4
    ran = [host for host, _ in campaign.noted("ran")]
    assert "beta" in ran and len(ran) == 4
    moves = [move for one in campaign.manifests().values() for move in one.get("moves", [])]
    assert moves and {(move["host"], move["why"]) for move in moves} == {("beta", "it was lost")}
    assert "host beta: it was lost" in campaign.output.getvalue()


def test_a_run_whose_scheduler_died_resumes_on_a_new_fleet(
    lab: FleetLab, campaign: Campaign, fleet: Fleet
) -> None:
    def kill() -> None:
        wait_for(lambda: len(campaign.manifests()) == 2 and campaign.noted("hangs"))
        os.kill(fleet.process.pid, signal.SIGKILL)

    with meanwhile(kill), pytest.raises(InfrastructureError, match="the scheduler at tls"):
        campaign.run_on(2, guests_there.first_ends)
    assert len(campaign.noted("ran")) == len(campaign.manifests()) == 2
    (campaign.notes / "go").touch()
    hosts = lab.load("alpha", "beta")
    with fleet_for_run(hosts, store=campaign.store, say=lab.say, connect=lab.connect) as cluster:
        assert "ending a fleet of these hosts that has lost its scheduler" in lab.said
        campaign.hosts = cluster
        folder = campaign.run_on(2, guests_there.first_ends)
    assert len(folder.verdicts()) == len(campaign.noted("ran")) == 4
