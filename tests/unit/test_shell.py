"""A shell in a guest, with an SSH server of paramiko's instead of the guest's."""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from memnotify.cli.main import parser
from memnotify.errors import InfrastructureError
from memnotify.guest.mailbox import SCENARIO_HEADER, STEP, encode_scenario
from memnotify.guest.visited import without_end, without_future
from memnotify.run.piped import pipe
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
def guest(
    key: HostKey, status: int | None, *, ends: bool = True
) -> Iterator[tuple[socket.socket, Server]]:
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
        if not ends:
            while transport.is_active():
                time.sleep(0.05)
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
    status: int | None, ours: int, capfd: pytest.CaptureFixture[str]
) -> None:
    key = new_host_key()
    with guest(key, status) as (line, server):
        assert _talk(line, key, ["cat", "a file"]) == ours
    assert server.command == b"cat 'a file'"
    assert capfd.readouterr().out == "said: cat 'a file'\n"


class Command:
    """The channel of a command that says `output` and `errors`; it ends where nothing is left."""

    def __init__(self, *output: bytes, errors: bytes = b"") -> None:
        self.output = list(output)
        self.errors = [errors]
        self.input = b""
        self.no_more = threading.Event()

    def recv(self, nbytes: int) -> bytes:
        return self.output.pop(0) if self.output else b""

    def recv_stderr(self, nbytes: int) -> bytes:
        return self.errors.pop(0) if self.errors else b""

    def sendall(self, s: bytes) -> None:
        self.input += s

    def shutdown_write(self) -> None:
        self.no_more.set()

    def recv_exit_status(self) -> int:
        return 4


def test_a_commands_output_is_not_decoded(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output = bytes(range(256))
    assert pipe(Command(output, b"\xff" * 100, errors=b"\xfe")) == 4
    said = capfdbinary.readouterr()
    assert (said.out, said.err) == (output + b"\xff" * 100, b"\xfe")


def test_a_command_gets_all_input_and_its_end_byte_for_byte(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "input"
    file.write_bytes(bytes(range(256)) * 400)
    command = Command()
    with file.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        pipe(command)
        assert command.no_more.wait(20)
    assert command.input == file.read_bytes()


def test_a_command_that_ends_does_not_wait_for_the_end_of_the_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as stream, os.fdopen(writer, "wb"):
        monkeypatch.setattr("sys.stdin", stream)
        assert pipe(Command(b"done")) == 4


def test_output_that_nobody_reads_is_an_error_of_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    key = new_host_key()
    with os.fdopen(writer, "w") as stream, guest(key, 0) as (line, _):
        monkeypatch.setattr("sys.stdout", stream)
        with pytest.raises(BrokenPipeError):
            _talk(line, key, ["echo"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_never_ends_is_ended_by_a_signal(number: signal.Signals) -> None:
    key = new_host_key()
    before = signal.signal(number, signal.default_int_handler)
    try:
        with guest(key, None, ends=False) as (line, server):

            def later() -> None:
                server.asked.wait(20)
                time.sleep(0.2)
                os.kill(os.getpid(), number)

            threading.Thread(target=later).start()
            with pytest.raises(KeyboardInterrupt):
                _talk(line, key, ["sleep", "1000"])
    finally:
        signal.signal(number, before)


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
