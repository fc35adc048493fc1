"""A fleet of hosts that are folders: real schedulers, workers and certificates, a made-up ssh."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import invoke
import paramiko
import pytest
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.run.executors.protocol import Cluster, Tls
from memnotify.run.fleet.certificates import make_pairs
from memnotify.run.fleet.check import check
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.for_run import fleet_for_run
from memnotify.run.fleet.hosts import Host, load_hosts
from memnotify.run.fleet.member import enter
from memnotify.run.fleet.remote import _load_good_lines, connect, connect_anyway
from memnotify.run.fleet.scheduler import workers_of
from memnotify.run.fleet.state import Fleet, Place
from memnotify.run.fleet.status import status
from memnotify.run.fleet.up import up
from memnotify.store import Store

from tests.support.fleet_lab import Done, FleetLab, LocalHost, share_environment
from tests.support.processes import wait_for


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
    words = [path.parent for path in Path("/proc").glob("[0-9]*/cmdline")]
    mine = [path for path in words if folder.encode() in _read(path / "cmdline")]
    assert mine
    for path in mine:
        os.kill(int(path.name), signal.SIGKILL)
    until = time.monotonic() + 30
    hosts = load_hosts(place.hosts)
    while status(fleet, place, hosts).hosts[1].state == "up" and time.monotonic() < until:
        time.sleep(0.2)
    assert [host.state for host in status(fleet, place, hosts).hosts] == ["up", "gone", "failed"]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def marked(fleet: str) -> list[str]:
    mark = f"MEMNOTIFY_FLEET={fleet}".encode()
    return [str(file) for file in Path("/proc").glob("[0-9]*/environ") if mark in _read(file)]


def test_a_fleet_for_a_run_leaves_nothing(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    own = FleetLab(tmp_path)
    with fleet_for_run(own.load("a"), store=store, say=own.say, connect=own.connect) as cluster:
        assert isinstance(cluster, Cluster) and cluster.hosts == 1
        fleet = Place(tmp_path / "hosts.toml").read()
        assert fleet is not None and marked(fleet.id) and own.files("a")
    assert not fleet.process.runs() and not marked(fleet.id)
    assert own.files("a") == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]


def test_what_cannot_be_reached_any_more_is_kept_in_mind(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = FleetLab(tmp_path)
    hosts = own.load("a")
    fleet = up(hosts, store=store, say=own.say, connect=own.connect)
    place = Place(hosts.file)
    own.broken.add("a")
    assert list(take_down(fleet, place, say=own.say, connect=own.connect)) == ["a"]
    left = place.read()
    assert left is not None and not left.process.runs() and own.files("a")
    assert [file.name for file in place.folder.iterdir()] == ["fleet.json"]  # no keys
    own.broken.clear()
    assert not take_down(left, place, say=own.say, connect=own.connect)
    assert place.read() is None and own.files("a") == [] and not marked(fleet.id)


def test_hosts_that_are_gone_do_not_keep_others_from_a_new_fleet(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = FleetLab(tmp_path)
    hosts = own.load("a", "b")
    place = Place(hosts.file)
    before = up(hosts, store=store, say=own.say, connect=own.connect)
    own.broken.add("a")
    os.kill(before.process.pid, signal.SIGKILL)
    wait_for(lambda: not before.process.runs())
    made = up(hosts, store=store, say=own.say, connect=own.connect)
    assert [member.failure is None for member in made.members] == [False, True]
    known = place.read()
    assert known is not None and [(one.host.name, one.fleet) for one in known.left] == [
        ("a", before.id)
    ]
    told = status(known, place, hosts)
    assert [(one.name, one.folder) for one in told.left] == [("a", known.left[0].folder.here)]
    own.broken.clear()
    assert own.files("a")
    assert not take_down(made, place, say=own.say, connect=own.connect)
    assert own.files("a") == own.files("b") == [] and place.read() is None


def test_down_says_what_is_left_until_the_host_is_back(
    lab: FleetLab,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = FleetLab(tmp_path)
    hosts = own.load("a")
    place = Place(hosts.file)
    first = up(hosts, store=store, say=own.say, connect=own.connect)
    own.broken.add("a")
    assert list(take_down(first, place, say=own.say, connect=own.connect)) == ["a"]
    assert main(["fleet", "status", str(hosts.file)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "a left" in said and "the fleet is down, except for what is left" in said
    own.broken.clear()
    second = up(hosts, store=store, say=own.say, connect=own.connect)
    assert second.left == () and "removing what an earlier fleet has left" in " ".join(own.said)
    assert [name for name in own.files("a") if "/" in name and first.id in name] == []
    assert not take_down(second, place, say=own.say, connect=own.connect)


def test_down_goes_on_where_known_hosts_is_malformed(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = FleetLab(tmp_path)
    hosts = own.load("a", "b")
    fleet = up(hosts, store=store, say=own.say, connect=own.connect)

    def malformed(host: Host) -> LocalHost:
        raise InputError("ssh's configuration: line 3 is no key")

    def only_a(host: Host) -> LocalHost:
        return own.connect(host) if host.name == "a" else malformed(host)

    monkeypatch.setattr("memnotify.run.fleet.down.connect_anyway", only_a)
    place = Place(hosts.file)
    assert list(take_down(fleet, place, say=own.say, connect=malformed)) == ["b"]
    assert own.files("a") == [] and own.files("b") and not fleet.process.runs()
    told = "ssh's configuration: line 3 is no key"
    assert own.said[-2:] == [f"{told}; this line is passed over", f"b: {told}"]
    left = place.read()
    assert left is not None and not take_down(left, place, say=own.say, connect=own.connect)


def test_what_check_finds_is_said_once(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = FleetLab(tmp_path)
    own.broken |= {"a", "b"}
    found = check(own.load("a", "b"), store=store, say=own.say, connect=own.connect)
    assert [one.problems for one in found] == [["Name or service not known"]] * 2
    assert own.said == []


def test_an_interrupt_while_one_host_does_not_answer_leaves_nothing_on_the_others(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = FleetLab(tmp_path)

    def silent(host: Host, remote: LocalHost, fleet: str) -> object:
        if host.name != "silent":
            return enter(host, remote, fleet)
        wait_for(lambda: "there.py" in " ".join(own.files("a")))
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: remote.closed)
        raise EOFError("closed")

    monkeypatch.setattr("memnotify.run.fleet.up.enter", silent)
    with pytest.raises(KeyboardInterrupt):
        up(own.load("a", "silent"), store=store, say=own.say, connect=own.connect)
    assert own.files("a") == []


def test_nothing_is_left_of_a_fleet_that_could_not_be_made(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = FleetLab(tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("memnotify.run.fleet.up.start_worker", fails)
    with pytest.raises(KeyboardInterrupt):
        up(own.load("a"), store=store, say=own.say, connect=own.connect)
    assert own.files("a") == []
    assert Place(tmp_path / "hosts.toml").read() is None


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('#!/bin/sh\necho \'[[3, 9], "x86_64", "/x", null]\'\n', "is Python 3.9, and Python 3."),
        ('#!/bin/sh\necho \'[[3, {minor}], "riscv64", "/x", null]\'\n', "it is riscv64, and "),
        ("#!/bin/sh\necho hello\n", "python said 'hello'"),
        ("#!/bin/sh\necho not today >&2\nexit 4\n", "python: not today"),
    ],
)
def test_a_host_that_is_not_like_this_one_is_refused(
    lab: FleetLab, store: Store, tmp_path: Path, said: str, problem: str
) -> None:
    python = tmp_path / "python"
    python.write_text(said.format(minor=sys.version_info[1]))
    python.chmod(0o755)
    own = FleetLab(tmp_path)
    file = tmp_path / "hosts.toml"
    file.write_text(f'[[host]]\naddress = "a"\npython = "{python}"\n')
    with pytest.raises(InfrastructureError, match=problem.replace(".", r"\.")):
        up(load_hosts(file), store=store, say=own.say, connect=own.connect)
    assert own.files("a") == []


@pytest.mark.parametrize(
    "error",
    [
        paramiko.SSHException("lost"),
        invoke.exceptions.CommandTimedOut(invoke.runners.Result(), timeout=1),
        EOFError("lost"),
    ],
)
def test_what_the_libraries_raise_is_the_hosts_failure(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(host: LocalHost, command: str, **_: object) -> Done:
        raise error

    monkeypatch.setattr(LocalHost, "run", run)
    own = FleetLab(tmp_path)
    with pytest.raises(InfrastructureError, match=r"^a: "):
        up(own.load("a"), store=store, say=own.say, connect=own.connect)


def test_a_bug_is_not_the_hosts_failure(
    lab: FleetLab, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(host: LocalHost, local: object, remote: str) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(LocalHost, "put", put)
    own = FleetLab(tmp_path)
    with pytest.raises(TypeError, match="a bug"):
        up(own.load("a"), store=store, say=own.say, connect=own.connect)
    assert own.files("a") == []


def test_a_malformed_ssh_configuration_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh" / "config").write_text("nonsense\n")
    big = Host(name="big", address="big")
    with pytest.raises(InputError, match="ssh's configuration, for big: Unparsable line nonsense"):
        connect(big)
    (home / ".ssh" / "config").write_text("")
    key = paramiko.ECDSAKey.generate()
    good = f"small {key.get_name()} {key.get_base64()}"
    lines = ["# comment", "big ssh-ed25519 A", "half a line", good]
    (home / ".ssh" / "known_hosts").write_text("\n".join(lines))
    said = "for big: known_hosts has a line that is not a key: 'big ssh-ed25519 A'"
    with pytest.raises(InputError, match=said):
        connect(big)
    client = paramiko.SSHClient()
    _load_good_lines(client)
    assert client._system_host_keys.keys() == ["small"]
    assert connect_anyway(big)
    (home / ".ssh" / "known_hosts").unlink()
    assert connect_anyway(big)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["fleet", "status", "HOSTS"], 2, "hosts.toml: no fleet of these hosts is up"),
        (["fleet", "down", "HOSTS"], 0, "no fleet of these hosts is up"),
        (
            ["run", "TOML", "--fleet", "HOSTS", "--plan"],
            2,
            "--plan cannot be combined with --fleet",
        ),
        (
            ["run", "TOML", "--fleet", "HOSTS", "--prepare", "kernels"],
            2,
            "--prepare cannot be combined with --fleet",
        ),
        (["run", "TOML", "--tag", "big"], 2, "--tag needs --fleet or --scheduler"),
        (["run", "TOML", "--jobqueue", "slurm:2", "--tag", "big"], 2, "--tag needs --fleet or"),
        (
            ["run", "TOML", "--fleet", "HOSTS", "--scheduler", "tls://a:1"],
            2,
            "--scheduler cannot be combined with --fleet",
        ),
    ],
)
def test_commands_without_a_fleet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hosts = FleetLab(tmp_path).file("a")
    names = {"HOSTS": str(hosts), "TOML": "campaigns/demo.toml"}
    assert main([names.get(word, word) for word in words]) == status
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
