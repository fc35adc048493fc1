"""A campaign on several hosts with made-up guests: by a made-up ssh, and by a real one if any."""

from __future__ import annotations

import getpass
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import invoke
import paramiko
import pytest
from memnotify.campaign.load import load_campaign
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.results.folder import RunFolder
from memnotify.run import fleet
from memnotify.run.fleet import HostTable, load_fleet, run_fleet

from tests.support.campaigns import TEXT

ROOT = Path(__file__).parents[2]
# The program memnotify of a host: ours, but with made-up guests and kernels.
PROGRAM = f"""#!{sys.executable}
import os, sys
from functools import partial
from pathlib import Path
os.environ["XDG_CACHE_HOME"] = str(Path(__file__).parent / "cache")
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "orchestrator")!r}]
from tests.support.campaigns import Bench, Guests
from memnotify.run.services import Services
from memnotify.cli import run
from memnotify.cli.main import main

bench = Bench.__new__(Bench)
run.Services = partial(
    Services, build_kernel=bench.build_kernel, build_image=bench.build_image, runner=Guests()
)
sys.exit(main())
"""


@dataclass
class Done:
    return_code: int
    stdout: str
    stderr: str


class Host:
    """A host that is a folder; its ssh runs commands in a shell there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.closed = False
        self.commands: list[str] = []

    def run(self, command: str, *, err_stream: Any = None, **_: Any) -> Done:
        self.commands.append(command)
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.home, capture_output=True, text=True, check=False
        )
        if err_stream is not None:
            err_stream.write(done.stderr)
        return Done(done.returncode, done.stdout, done.stderr)

    def put(self, local: Any, remote: str) -> None:
        (self.home / remote).write_bytes(local.read())

    def get(self, remote: str, local: str) -> None:
        shutil.copyfile(self.home / remote, local)

    def close(self) -> None:
        self.closed = True


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: dict[str, Host] = {}
        self.said: list[str] = []
        self.campaign = folder / "try.toml"
        self.campaign.write_text(TEXT)
        self.program = folder / "memnotify"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def connect(self, address: str) -> Host:
        if address == "gone":
            raise_later = Host(self.folder)
            raise_later.run = _refuse  # type: ignore[method-assign]
            return raise_later
        home = self.folder / address
        home.mkdir(exist_ok=True)
        return self.hosts.setdefault(address, Host(home))

    def run(self, *addresses: str, connect: Callable[[str], Any] | None = None) -> Any:
        hosts = [HostTable(address=name, program=str(self.program), jobs=1) for name in addresses]
        return run_fleet(
            load_campaign(self.campaign),
            hosts,
            path=self.folder / "run",
            options=["--cold"],
            say=self.said.append,
            connect=connect or self.connect,
        )


def _refuse(command: str, **_: Any) -> Done:
    raise OSError("Name or service not known")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_each_host_runs_a_part_and_the_whole_is_here(lab: Lab) -> None:
    found = lab.run("one", "two")
    assert (list(found.missing), dict(found.failures)) == ([], {})
    rows = RunFolder(lab.folder / "run").verdicts()
    assert [str(row.outcome) for row in rows] == ["ok"] * 4
    for name, shard in (("one", "1-of-2"), ("two", "2-of-2")):
        part = lab.folder / name / "memnotify-fleet" / f"try-{shard}" / "run"
        assert len(RunFolder(part).verdicts()) == 2
        assert lab.hosts[name].closed
    assert any(line.startswith("two (2/2): ") and "pc-swap" in line for line in lab.said)


def test_a_host_that_is_gone_leaves_the_others_results(lab: Lab) -> None:
    found = lab.run("one", "gone")
    assert len(found.missing) == 2
    assert [str(error) for error in found.failures.values()] == ["Name or service not known"]
    assert len(RunFolder(lab.folder / "run").verdicts()) == 2
    with pytest.raises(InputError, match="already exists"):
        lab.run("one")
    shutil.rmtree(lab.folder / "run")
    with pytest.raises(InfrastructureError, match="Name or service"):
        lab.run("gone")


def test_what_a_host_has_run_is_not_run_again(lab: Lab) -> None:
    lab.run("one")
    shutil.rmtree(lab.folder / "run")
    lab.said.clear()
    lab.run("one")
    assert any("4 cells, 4 of them already finished" in line for line in lab.said)


def test_a_scenario_of_its_own_file_goes_with_the_campaign(lab: Lab) -> None:
    head, _, body = TEXT.partition("[scenario.squeeze]\n")
    (lab.folder / "scenarios").mkdir()
    (lab.folder / "scenarios" / "squeeze.toml").write_text(body.replace("scenario.squeeze.", ""))
    lab.campaign.write_text(head)
    assert not lab.run("one").missing


def test_what_a_host_refuses_is_bad_input(lab: Lab) -> None:
    lab.program.write_text("#!/bin/sh\necho 'memnotify: no base is called 6.1' >&2\nexit 2\n")
    with pytest.raises(InputError, match=r"one \(1/1\): memnotify: no base is called 6\.1"):
        lab.run("one")
    lab.program.write_text("#!/bin/sh\necho 'Killed' >&2\nexit 137\n")
    with pytest.raises(InfrastructureError, match="exited with status 137: Killed"):
        lab.run("one")


def test_all_hosts_run_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 40  # more than asyncio's default number of threads, on any machine
    all_there = threading.Barrier(count, timeout=30)

    def run(host: Host, command: str, **_: Any) -> Done:
        all_there.wait()
        raise OSError("all are there")

    monkeypatch.setattr(Host, "run", run)
    with pytest.raises(InfrastructureError, match="all are there"):
        lab.run(*(f"host{number}" for number in range(count)))


def packed(*names: str, mtime: float = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.mtime = mtime
            archive.addfile(entry)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed("./cells/../../../evil"), "evil leads out of the tree"),
        (b"no tarball", "not a whole tar archive"),
        (packed("./plan.json", mtime=10**20), "plan.json is damaged: its time is 1e+20"),
        (packed("./plan.json", "./plan.json"), "plan.json is in the archive twice"),
        (packed("./cells/file"), "is not the folder of a run: it has no plan.json"),
    ],
    ids=[
        "leads out",
        "no tarball",
        "time",
        "twice",
        "no run",
    ],  # the data of the first contains the time of day
)
def test_results_that_are_not_a_run_are_that_hosts_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, data: bytes, words: str
) -> None:
    get = Host.get

    def bad(host: Host, remote: str, local: str) -> None:
        if host.home.name == "two":
            Path(local).write_bytes(data)
        else:
            get(host, remote, local)

    monkeypatch.setattr(Host, "get", bad)
    found = lab.run("one", "two")
    assert len(found.missing) == 2
    [error] = found.failures.values()
    assert words in str(error)
    assert not list(lab.folder.rglob("evil"))


@pytest.mark.parametrize(
    "error",
    [
        paramiko.SSHException("lost"),
        invoke.exceptions.CommandTimedOut(invoke.runners.Result(), timeout=1),
        EOFError("lost"),
    ],
)
def test_what_the_libraries_raise_is_the_hosts_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(host: Host, command: str, **_: Any) -> Done:
        raise error

    monkeypatch.setattr(Host, "run", run)
    with pytest.raises(InfrastructureError):
        lab.run("one")


def test_a_bug_is_not_the_hosts_failure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(host: Host, local: Any, remote: str) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(Host, "put", put)
    with pytest.raises(ExceptionGroup) as caught:
        lab.run("one")
    assert caught.group_contains(TypeError)


def test_a_malformed_ssh_configuration_is_bad_input(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh" / "config").write_text("nonsense\n")
    with pytest.raises(InputError, match="ssh's configuration, for big: Unparsable line nonsense"):
        lab.run("big", connect=fleet.connect)
    (home / ".ssh" / "config").write_text("")
    (home / ".ssh" / "known_hosts").write_text("big ssh-ed25519 A\n")
    with pytest.raises(InputError, match="ssh's configuration, for big: "):
        lab.run("big", connect=fleet.connect)


HOSTS = '[[host]]\naddress = "one"\nprogram = "{program}"\n'


def test_the_command(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fleet, "connect", lab.connect)
    monkeypatch.setattr(run_fleet, "__kwdefaults__", {"durations": None, "connect": lab.connect})
    file = lab.folder / "hosts.toml"
    file.write_text(HOSTS.format(program=lab.program))
    argv = ["run", str(lab.campaign), "--fleet", str(file), "-o", str(lab.folder / "run")]
    assert main([*argv, "--cold", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    file.write_text(HOSTS.format(program=lab.program) + HOSTS.replace("one", "gone"))
    assert main([*argv[:-1], str(lab.folder / "again"), "--cold"]) == 3
    assert "gone (2/2): Name or service not known" in capsys.readouterr().err
    assert main([*argv[:-1], str(lab.folder / "cc"), "--cc=no such"]) == 2
    assert "one (1/2): memnotify: there is no compiler no such" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ('[[host]]\naddress = "one"\n', ["--shard=1/2"], "--shard cannot be combined with --fleet"),
        ('[[host]]\naddress = "one"\n', ["--source=/x"], "on each host"),
        ('[[host]]\naddress = "one"\n', ["--prepare=source"], "--prepare cannot be combined with"),
        ('[[host]]\naddress = "one"\n', ["--stages=x"], "--stages cannot be combined with --fleet"),
        ('[[host]]\nadress = "one"\n', [], "hosts.toml:2: host[0].adress: unknown key (did you"),
        ('[[host]]\naddress = "-oX"\n', [], "hosts.toml:2: host[0].address: '-oX' is not an"),
        ("", [], "host: this key is missing"),
    ],
)
def test_bad_usage(
    lab: Lab, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], words: str
) -> None:
    file = lab.folder / "hosts.toml"
    file.write_text(text)
    assert main(["run", str(lab.campaign), f"--fleet={file}", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_hosts_must_not_choose_different_bases(lab: Lab) -> None:
    lab.campaign.write_text(TEXT.replace('"6.1"', '["2.6.24", "6.1"]'))
    with pytest.raises(InputError, match="name one base"):
        lab.run("one")


def test_a_hosts_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\naddress = "me@a"\n[[host]]\naddress = "b"\njobs = 3\n')
    assert load_fleet(file) == (HostTable(address="me@a"), HostTable(address="b", jobs=3))


def _log_in_or_skip(port: int, key: Path) -> None:
    """Skip if sshd lets nobody in, as it does if the account is locked."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect(
                "127.0.0.1",
                port,
                getpass.getuser(),
                key_filename=str(key),
                allow_agent=False,
                look_for_keys=False,
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            pytest.skip(f"sshd: {error}")


SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[int]:
    """Start an sshd on its own port and yield the port. Skips if that does not work."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", tmp_path / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nPidFile none\nUsePAM no\n"
        "Subsystem sftp internal-sftp\n"
    )
    assert SSHD is not None
    command = [SSHD, "-f", str(tmp_path / "sshd_config")]
    tried = subprocess.run([*command, "-t"], stderr=subprocess.PIPE, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"sshd: {tried.stderr.strip()}")
    server = subprocess.Popen([*command, "-D", "-e"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if server.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        if server.poll() is not None:
            pytest.skip(f"sshd ended with {server.returncode}")
        _log_in_or_skip(port, tmp_path / "user")
        yield port
    finally:
        server.terminate()
        server.wait()


def test_no_word_is_more_than_a_word_to_the_shell_of_a_host(lab: Lab) -> None:
    odd = "it's; touch made $(touch made)"
    host = HostTable(address="a", program=str(lab.program), folder=odd)
    run_fleet(
        load_campaign(lab.campaign),
        [host],
        path=lab.folder / "run",
        options=["--cold"],
        say=lab.said.append,
        connect=lab.connect,
    )
    assert len(RunFolder(lab.folder / "run").verdicts()) == 4
    assert {path.name for path in (lab.folder / "a").iterdir()} == {odd}


@pytest.mark.skipif(SSHD is None, reason="there is no sshd")
def test_a_real_ssh(lab: Lab, sshd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's configuration and known_hosts apply; a host with another key is refused."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh" / "config").write_text(
        f"Host big\n HostName 127.0.0.1\n Port {sshd}\n IdentityFile {tmp_path}/user\n"
    )
    with pytest.raises(InfrastructureError, match="not found in known_hosts"):
        lab.run("big", connect=fleet.connect)
    key = (tmp_path / "host.pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sshd} {key}")
    work = tmp_path / "there"
    campaign = load_campaign(lab.campaign)
    host = HostTable(address="big", program=str(lab.program), folder=str(work))
    threads = threading.active_count()
    keepalive: list[int] = []
    monkeypatch.setattr(
        "paramiko.Transport.set_keepalive", lambda _, seconds: keepalive.append(seconds)
    )
    run_fleet(campaign, [host], path=lab.folder / "run", options=["--cold"], say=lab.said.append)
    assert len(RunFolder(lab.folder / "run").verdicts()) == 4
    assert any("pc-swap" in line for line in lab.said)
    assert threading.active_count() <= threads
    assert keepalive == [30]
