"""A fleet of hosts that are folders: real schedulers, workers and certificates, a made-up ssh."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.run.executors.protocol import Tls
from memnotify.run.fleet.certificates import make_pairs
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.for_run import fleet_for_run
from memnotify.run.fleet.hosts import load_hosts
from memnotify.run.fleet.scheduler import workers_of
from memnotify.run.fleet.state import Fleet, Place
from memnotify.run.fleet.status import status
from memnotify.run.fleet.up import up
from memnotify.store import Store

from tests.support.fleet_lab import FleetLab, share_environment
from tests.support.processes import having


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch) -> FleetLab:
    folder = tmp_path_factory.mktemp("lab")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    share_environment(patched, folder)
    return FleetLab(folder)


@pytest.fixture(scope="module")
def store(lab: FleetLab) -> Store:
    return Store(lab.folder / "store")


@pytest.fixture(scope="module")
def fleet(lab: FleetLab, store: Store) -> Iterator[Fleet]:
    """A fleet of two hosts, and one that does not answer."""
    lab.broken.add("gone")
    hosts = lab.load("one", "two", "gone", more='tags = ["kvm"]\n')
    made = up(hosts, store=store, say=lab.say, connect=lab.connect)
    yield made
    lab.broken.clear()
    assert not take_down(made, Place(hosts.file), say=lab.say, connect=lab.connect)


@pytest.fixture
def place(lab: FleetLab) -> Place:
    return Place(lab.folder / "hosts.toml")


def test_hosts_that_do_not_answer_are_named_and_left_out(lab: FleetLab, fleet: Fleet) -> None:
    failed = {member.host.name: member.failure for member in fleet.members}
    assert failed == {"one": None, "two": None, "gone": "Name or service not known"}
    assert any(line.startswith("2 hosts of 3 up: ") for line in lab.said)
    assert "gone: Name or service not known" in lab.said
    assert lab.hosts["one"].closed


def test_workers_offer_what_their_hosts_have(fleet: Fleet, place: Place) -> None:
    workers = workers_of(fleet.address, Tls.in_folder(place.tls))
    assert workers.keys() == {"one", "two"}
    member = fleet.members[0]
    offered = dict(workers["one"].resources)
    wanted = {"memory_mib": member.memory_mib, "cores": member.cores, "boots": member.boots}
    assert offered == wanted
    assert member.cores >= 1 and member.memory_mib > 100 and member.boots >= 2


def test_status_knows_each_host(fleet: Fleet, place: Place) -> None:
    found = status(fleet, place, load_hosts(place.hosts))
    assert [(host.name, host.state) for host in found.hosts] == [
        ("one", "up"),
        ("two", "up"),
        ("gone", "failed"),
    ]
    assert found.scheduler == fleet.address and 0 < found.left_s <= 24 * 3600
    assert found.hosts[2].tags == ("kvm",) and found.hosts[0].seen_s is not None
    assert (found.left, found.file_differs) == ([], "")


def test_status_says_that_the_file_names_other_hosts(
    lab: FleetLab, fleet: Fleet, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    before = place.hosts.read_text()
    lab.file("one", "three", "gone", more='tags = ["kvm"]\ncores = 1\n')
    assert main(["fleet", "status", str(place.hosts)]) == 3
    place.hosts.write_text(before)
    said = " ".join(capsys.readouterr().out.split())
    assert "other hosts than the fleet: three: new; two: not there any more; gone: changed;" in said
    place.hosts.write_text("[[host]]\n")
    assert main(["fleet", "status", str(place.hosts)]) == 2
    place.hosts.write_text(before)
    assert "hosts.toml:1: host[0].address: this key is missing" in capsys.readouterr().err


def test_secrets_are_for_their_owner_only(lab: FleetLab, fleet: Fleet, place: Place) -> None:
    here = list(place.folder.rglob("*.pem"))
    there = [file for name in ("one", "two") for file in (lab.folder / name).rglob("tls/*.pem")]
    assert (len(here), len(there)) == (6, 6)
    for file in (*here, *there, place.folder / "fleet.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    keys = {file.read_bytes() for file in (*here, *there) if file.name == "key.pem"}
    assert len(keys) == 4
    texts = [file.read_bytes() for file in lab.folder.rglob("*") if file.is_file()]
    for key in keys:
        secret = key.split(b"\n")[1]
        assert sum(secret in text for text in texts) == 1


def handshake(address: str, context: ssl.SSLContext) -> None:
    """Shake hands with a scheduler, and read what it says first."""
    host, port = address.removeprefix("tls://").split(":")
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain) as tls,
    ):
        tls.settimeout(10)
        if not tls.recv(1):
            raise OSError("closed")


def test_untrusted_peers_cannot_connect(fleet: Fleet, place: Place, tmp_path: Path) -> None:
    mine, without = ssl.create_default_context(), ssl.create_default_context()
    mine.load_cert_chain(place.tls / "cert.pem", place.tls / "key.pem")
    handshake(fleet.address, mine)
    with pytest.raises(OSError):  # ssl.SSLError is one
        handshake(fleet.address, without)
    make_pairs("another", ["a"], hours=1)["a"].write(tmp_path / "other")
    other = ssl.create_default_context()
    other.load_cert_chain(tmp_path / "other/cert.pem", tmp_path / "other/key.pem")
    with pytest.raises(OSError):
        handshake(fleet.address, other)
    for worker in workers_of(fleet.address, Tls.in_folder(place.tls)).values():
        handshake(worker.address, mine)
        with pytest.raises(OSError):
            handshake(worker.address, other)
    stranger = Tls.in_folder(tmp_path / "other")
    with pytest.raises(InfrastructureError, match="does not answer"):
        workers_of(fleet.address, stranger)


def sockets(pid: int) -> set[tuple[str, int]]:
    """Return the addresses at which a process listens: little-endian hexadecimal, and the port."""
    inodes = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            address, port = fields[1].split(":")
            found.add((address, int(port, 16)))
    return found


def test_no_web_page_is_exposed(fleet: Fleet) -> None:
    port = int(fleet.address.rpartition(":")[2])
    for address, other in sockets(fleet.process.pid):
        if other == port:
            continue
        assert address == "0100007F"  # 127.0.0.1
        with socket.create_connection(("127.0.0.1", other), timeout=10) as page:
            page.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
            assert page.recv(100).startswith(b"HTTP/1.1 404")


def test_what_is_up_is_not_made_again_but_used(
    lab: FleetLab, fleet: Fleet, place: Place, store: Store
) -> None:
    hosts = lab.load("one", "two", "gone")
    with pytest.raises(InputError, match="is up already") as caught:
        up(hosts, store=store, say=lab.say, connect=lab.connect)
    assert "memnotify fleet down" in str(caught.value)
    with fleet_for_run(hosts, store=store, say=lab.say, connect=lab.connect) as cluster:
        assert (cluster.address, cluster.hosts) == (fleet.address, 2)
    assert fleet.process.runs()


def test_a_lost_worker_is_gone(lab: FleetLab, fleet: Fleet, place: Place) -> None:
    """Runs after the others: the fleet has one worker less then."""
    folder = next(member.folder.here for member in fleet.members if member.host.name == "two")
    mine = having(folder, "cmdline")
    assert mine
    for file in mine:
        os.kill(int(file.parent.name), signal.SIGKILL)
    until = time.monotonic() + 30
    hosts = load_hosts(place.hosts)
    while status(fleet, place, hosts).hosts[1].state == "up" and time.monotonic() < until:
        time.sleep(0.2)
    assert [host.state for host in status(fleet, place, hosts).hosts] == ["up", "gone", "failed"]
