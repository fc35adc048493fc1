"""A fleet of one host behind a real sshd, if there is one."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from memnotify.campaign.load import load_campaign
from memnotify.errors import InfrastructureError
from memnotify.results.folder import RunFolder
from memnotify.run import fleet
from memnotify.run.fleet import HostTable, run_fleet

from tests.support.fleet_lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


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
