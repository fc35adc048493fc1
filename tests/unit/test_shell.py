"""A shell in a guest, with an SSH server of paramiko's instead of the guest's."""

from __future__ import annotations

import dataclasses
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from memnotify.cli.main import parser
from memnotify.errors import InfrastructureError
from memnotify.guest.mailbox import SCENARIO_HEADER, STEP, encode_scenario
from memnotify.guest.visited import without_end, without_future
from memnotify.run.shell import HostKey, _talk, new_host_key
from memnotify.scenario import Hog, Scenario, Step

paramiko = pytest.importorskip("paramiko")

SCENARIO = Scenario(
    name="s",
    start_ns=10**9,
    duration_ns=5 * 10**9,
    sample_ns=10**8,
    steps=(Step(at_ns=2 * 10**9, action=Hog(rate_kib_s=1024, ceiling_kib=4096)),),
)


class Server(paramiko.ServerInterface):  # type: ignore[misc, name-defined]
    """Accepts everybody, and runs one command: it says what it was, and ends with `status`."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.asked = threading.Event()
        self.command = b""

    def get_allowed_auths(self, username: str) -> str:
        return "none"

    def check_auth_none(self, username: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if username == "root" else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: object, command: bytes) -> bool:
        self.command = command
        self.asked.set()
        return True


@contextmanager
def guest(key: HostKey, status: int | None) -> Iterator[tuple[socket.socket, Server]]:
    """Yield our end of the line to a made-up guest."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    secret = Ed25519PrivateKey.from_private_bytes(key.file[19:51])
    text = secret.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    ours, theirs = socket.socketpair()
    transport, server = paramiko.Transport(theirs), Server(status)
    transport.add_server_key(paramiko.Ed25519Key.from_private_key(io.StringIO(text)))

    def serve() -> None:
        with suppress(EOFError, paramiko.SSHException):
            transport.start_server(server=server)
        channel = transport.accept(20)
        if channel is None or not server.asked.wait(20):
            return
        channel.sendall(b"said: " + server.command + b"\n")
        if status is not None:
            channel.send_exit_status(status)
        channel.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield ours, server
    finally:
        transport.close()
        thread.join()


@pytest.mark.parametrize(("status", "ours"), [(0, 0), (3, 3), (None, 255)])
def test_the_status_is_that_of_the_command(
    status: int | None, ours: int, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_host_key()
    with guest(key, status) as (line, server):
        assert _talk(line, key, ["cat", "a file"]) == ours
    assert server.command == b"cat 'a file'"
    assert capsys.readouterr().out == "said: cat 'a file'\n"


def test_another_server_is_refused() -> None:
    with (
        guest(new_host_key(), 0) as (line, server),
        pytest.raises(InfrastructureError, match="something other than our SSH server answers"),
    ):
        _talk(line, new_host_key(), ["true"])
    assert server.command == b""


def test_a_server_that_hangs_up_is_a_failure() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(InfrastructureError, match="no connection to the guest"):
        _talk(ours, new_host_key(), ["true"])


def test_a_host_key_is_as_dropbear_keeps_it() -> None:
    key = new_host_key()
    assert key.file[:19] == b"\0\0\0\x0bssh-ed25519\0\0\0\x40"
    assert len(key.file) == 19 + 64
    assert key.public == b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + key.file[-32:]
    assert new_host_key() != key


def test_a_guest_that_is_looked_at_has_no_future() -> None:
    mail = encode_scenario(SCENARIO)
    changed = encode_scenario(without_future(SCENARIO))
    assert len(changed) == len(mail)
    header = np.frombuffer(changed, SCENARIO_HEADER, 1)[0]
    step = np.frombuffer(changed, STEP, offset=SCENARIO_HEADER.itemsize)[0]
    year_ns = 365 * 86_400 * 10**9
    assert min(header["duration_ns"], header["sample_ns"], step["at_ns"]) > year_ns
    assert header["start_ns"] == SCENARIO.start_ns
    assert dataclasses.replace(without_end(SCENARIO), duration_ns=5 * 10**9) == SCENARIO


def test_words_after_two_dashes_are_the_command() -> None:
    words = ["shell", "run", "cell", "--at", "2", "--", "ls", "--", "-l", "--record"]
    args = parser(words).parse_args(words)
    assert (args.cell, args.at, args.words) == ("cell", 2.0, ["ls", "--", "-l", "--record"])
    args = parser(["shell"]).parse_args(["shell", "run", "--record", "5", "cell"])
    assert (args.cell, args.record, args.words) == ("cell", 5, [])
