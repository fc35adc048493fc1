"""Fleets of hosts that are folders: what is made of one, and what is left of it afterwards."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.run.executors.protocol import Cluster
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.for_run import fleet_for_run
from memnotify.run.fleet.hosts import Host
from memnotify.run.fleet.member import enter
from memnotify.run.fleet.state import Place
from memnotify.run.fleet.status import status
from memnotify.run.fleet.up import up
from memnotify.store import Store

from tests.support.fleet_lab import FleetLab, LocalHost
from tests.support.processes import having, wait_for


def marked(fleet: str) -> list[str]:
    return [str(file) for file in having(f"MEMNOTIFY_FLEET={fleet}", "environ")]


def test_a_fleet_for_a_run_leaves_nothing(
    fleet_lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with fleet_for_run(
        fleet_lab.load("a"), store=store, say=fleet_lab.say, connect=fleet_lab.connect
    ) as cluster:
        assert isinstance(cluster, Cluster) and cluster.hosts == 1
        fleet = Place(tmp_path / "hosts.toml").read()
        assert fleet is not None and marked(fleet.id) and fleet_lab.files("a")
    assert not fleet.process.runs() and not marked(fleet.id)
    assert fleet_lab.files("a") == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]


def test_what_cannot_be_reached_any_more_is_kept_in_mind(fleet_lab: FleetLab, store: Store) -> None:
    hosts = fleet_lab.load("a")
    fleet = up(hosts, store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    place = Place(hosts.file)
    fleet_lab.broken.add("a")
    assert list(take_down(fleet, place, say=fleet_lab.say, connect=fleet_lab.connect)) == ["a"]
    left = place.read()
    assert left is not None and not left.process.runs() and fleet_lab.files("a")
    assert [file.name for file in place.folder.iterdir()] == ["fleet.json"]  # no keys
    fleet_lab.broken.clear()
    assert not take_down(left, place, say=fleet_lab.say, connect=fleet_lab.connect)
    assert place.read() is None and fleet_lab.files("a") == [] and not marked(fleet.id)


def test_hosts_that_are_gone_do_not_keep_others_from_a_new_fleet(
    fleet_lab: FleetLab, store: Store
) -> None:
    hosts = fleet_lab.load("a", "b")
    place = Place(hosts.file)
    before = up(hosts, store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    fleet_lab.broken.add("a")
    os.kill(before.process.pid, signal.SIGKILL)
    wait_for(lambda: not before.process.runs())
    made = up(hosts, store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    assert [member.failure is None for member in made.members] == [False, True]
    known = place.read()
    assert known is not None and [(one.host.name, one.fleet) for one in known.left] == [
        ("a", before.id)
    ]
    told = status(known, place, hosts)
    assert [(one.name, one.folder) for one in told.left] == [("a", known.left[0].folder.here)]
    fleet_lab.broken.clear()
    assert fleet_lab.files("a")
    assert not take_down(made, place, say=fleet_lab.say, connect=fleet_lab.connect)
    assert fleet_lab.files("a") == fleet_lab.files("b") == [] and place.read() is None


def test_down_says_what_is_left_until_the_host_is_back(
    fleet_lab: FleetLab,
    store: Store,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hosts = fleet_lab.load("a")
    place = Place(hosts.file)
    first = up(hosts, store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    fleet_lab.broken.add("a")
    assert list(take_down(first, place, say=fleet_lab.say, connect=fleet_lab.connect)) == ["a"]
    assert main(["fleet", "status", str(hosts.file)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "a left" in said and "the fleet is down, except for what is left" in said
    fleet_lab.broken.clear()
    second = up(hosts, store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    assert second.left == () and "removing what an earlier fleet has left" in " ".join(
        fleet_lab.said
    )
    assert [name for name in fleet_lab.files("a") if "/" in name and first.id in name] == []
    assert not take_down(second, place, say=fleet_lab.say, connect=fleet_lab.connect)


def test_down_goes_on_where_known_hosts_is_malformed(
    fleet_lab: FleetLab, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = fleet_lab.load("a", "b")
    fleet = up(hosts, store=store, say=fleet_lab.say, connect=fleet_lab.connect)

    def malformed(host: Host) -> LocalHost:
        raise InputError("ssh's configuration: line 3 is no key")

    def only_a(host: Host) -> LocalHost:
        return fleet_lab.connect(host) if host.name == "a" else malformed(host)

    monkeypatch.setattr("memnotify.run.fleet.down.connect_anyway", only_a)
    place = Place(hosts.file)
    assert list(take_down(fleet, place, say=fleet_lab.say, connect=malformed)) == ["b"]
    assert fleet_lab.files("a") == [] and fleet_lab.files("b") and not fleet.process.runs()
    told = "ssh's configuration: line 3 is no key"
    assert fleet_lab.said[-2:] == [f"{told}; this line is passed over", f"b: {told}"]
    left = place.read()
    assert left is not None and not take_down(
        left, place, say=fleet_lab.say, connect=fleet_lab.connect
    )


def test_an_interrupt_while_one_host_does_not_answer_leaves_nothing_on_the_others(
    fleet_lab: FleetLab, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:

    def silent(host: Host, remote: LocalHost, fleet: str) -> object:
        if host.name != "silent":
            return enter(host, remote, fleet)
        wait_for(lambda: "there.py" in " ".join(fleet_lab.files("a")))
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: remote.closed)
        raise EOFError("closed")

    monkeypatch.setattr("memnotify.run.fleet.up.enter", silent)
    with pytest.raises(KeyboardInterrupt):
        up(fleet_lab.load("a", "silent"), store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    assert fleet_lab.files("a") == []


def test_nothing_is_left_of_a_fleet_that_could_not_be_made(
    fleet_lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fails(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("memnotify.run.fleet.up.start_worker", fails)
    with pytest.raises(KeyboardInterrupt):
        up(fleet_lab.load("a"), store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    assert fleet_lab.files("a") == []
    assert Place(tmp_path / "hosts.toml").read() is None
