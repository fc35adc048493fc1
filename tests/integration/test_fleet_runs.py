"""Campaigns on a fleet of hosts that are folders: a host that comes back, a scheduler that dies."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.fleet.again import bring_back
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.for_run import fleet_for_run
from memnotify.run.fleet.hosts import load_hosts
from memnotify.run.fleet.scheduler import workers_of
from memnotify.run.fleet.state import Fleet, Place, cluster_of
from memnotify.run.fleet.status import status
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


def kill_worker(folder: str, *, off: bool = False) -> None:
    """Kill the worker of a host, but not what keeps it: as if it had been cut off.

    With `off`, kill that as well, as if the host had been switched off.
    """
    killed = 0
    keepers = having("there.py", "cmdline")
    for file in having(folder, "cmdline"):
        if off or file not in keepers:
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


def here_of(fleet: Fleet, name: str) -> str:
    return next(member.folder.here for member in fleet.members if member.host.name == name)


def known(fleet: Fleet, lab: FleetLab) -> set[str]:
    place = Place(lab.folder / "hosts.toml")
    return set(workers_of(fleet.address, Tls.in_folder(place.tls)))


def test_a_host_that_was_switched_off_runs_cells_again(
    lab: FleetLab, campaign: Campaign, fleet: Fleet
) -> None:
    """All its processes are gone; one that cannot be reached stays away, and fails no run."""
    kill_worker(here_of(fleet, "beta"), off=True)
    wait_for(lambda: known(fleet, lab) == {"alpha"})
    hosts = load_hosts(lab.folder / "hosts.toml")
    (campaign.notes / "killed-test").touch()
    (row,) = (row for row in status(fleet, Place(hosts.file), hosts).hosts if row.name == "beta")
    assert (row.state, "run --fleet starts it again" in row.detail) == ("gone", True)
    lab.broken.add("beta")
    with fleet_for_run(hosts, store=campaign.store, say=lab.say, connect=lab.connect) as cluster:
        assert cluster.hosts == 1
    assert "beta: Name or service not known; the run goes on without it" in lab.said
    lab.broken.clear()
    with fleet_for_run(hosts, store=campaign.store, say=lab.say, connect=lab.connect) as cluster:
        assert "beta: its worker had ended, and is started again" in lab.said
        assert cluster.hosts == 2
        campaign.hosts = cluster
        folder = campaign.run_on(2, guests_there.back_on_beta)
    assert len(folder.verdicts()) == 4
    assert "beta" in {host for host, _ in campaign.noted("ran")}


def test_a_host_that_has_lost_what_the_fleet_had_there_stays_away(
    lab: FleetLab, campaign: Campaign, fleet: Fleet
) -> None:
    here = here_of(fleet, "beta")
    kill_worker(here, off=True)
    wait_for(lambda: known(fleet, lab) == {"alpha"})
    shutil.rmtree(Path(here).parent)
    back = bring_back(fleet, fleet.members, ["alpha"], say=lab.say, connect=lab.connect)
    assert (back.started, back.joining) == ([], [])
    assert lab.said[-1] == f"beta: {here} is gone; the run goes on without it"
