"""A shell in the guest of a finished cell: SSH over a serial line, through Fabric.

The guest runs in a thread of its own, because Fabric needs the main one: it follows the size of the
terminal by signals.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import shlex
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from memnotify.errors import InfrastructureError, InputError
from memnotify.extras import extra, installed
from memnotify.guest.rendezvous import End
from memnotify.guest.visited import Saved, save, visit, why_no_visit, without_end
from memnotify.image.tools import PROGRAMS
from memnotify.records.compare import Comparison
from memnotify.run.looking import Moment, Reached, look
from memnotify.run.piped import pipe
from memnotify.run.replay import Again
from memnotify.store import Artifact

if TYPE_CHECKING:
    import paramiko

T = TypeVar("T")

_PATIENCE_SECONDS = 120.0  # for each step of SSH: a guest on a busy host takes its time
_FAREWELL_SECONDS = 2.0
_SEED_BYTES = 32
_ENDED_BY_SIGNAL = 255  # as ssh has it
_ED25519 = b"ssh-ed25519"


@dataclass(frozen=True, slots=True)
class HostKey:
    """The guest's own key, made for one visit: `file` as Dropbear keeps it, and its public part."""

    file: bytes
    public: bytes


def new_host_key() -> HostKey:
    """Make a key. Raises InfrastructureError if the library is missing."""
    with extra("shell", "memnotify shell"):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    key = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    secret, public = key.private_bytes_raw(), key.public_key().public_bytes(*raw)
    return HostKey(
        file=_string(_ED25519) + struct.pack(">I", len(secret + public)) + secret + public,
        public=_string(_ED25519) + _string(public),
    )


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def refuse_if_impossible(moment: Moment) -> None:
    """Raise InputError if a guest can have no shell, and InfrastructureError without a library."""
    if (why := why_no_visit(moment.finished.job.cell)) is not None:
        raise InputError(f"{moment.finished.job.name} can have no shell: {why}")
    if not installed("fabric"):
        with extra("shell", "memnotify shell"):
            raise ModuleNotFoundError(name="fabric")


def shell(
    moment: Moment,
    again: Again,
    tools: Artifact,
    *,
    command: Sequence[str],
    on_arrival: Callable[[Comparison], None],
) -> int:
    """Open a shell in a cell's guest at a moment, or run `command` there; return its exit status.

    `on_arrival` hears how the records up to there compare with those of the run. Raises InputError
    if that guest cannot have one, and InfrastructureError as `look` does, or if there is no
    connection.
    """
    refuse_if_impossible(moment)
    key = new_host_key()
    files = {name: tools.file(name).read_bytes() for name in PROGRAMS}
    files |= {"hostkey": key.file, "seed": os.urandom(_SEED_BYTES)}
    with _Guest(moment, again, files) as guest:
        on_arrival(guest.comparison())
        return guest.while_it_lives(lambda line: _talk(line, key, command))


class _Guest:
    """A guest in a thread, for as long as this context lasts."""

    def __init__(self, moment: Moment, again: Again, files: Mapping[str, bytes]) -> None:
        self._moment = moment
        self._again = again
        self._files = files
        self._compared: Future[Comparison] = Future()
        self._line: Future[socket.socket] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = threading.Event()
        self._end: End | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="guest", daemon=True)

    def __enter__(self) -> _Guest:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def comparison(self) -> Comparison:
        """Wait until the guest has come to its moment. Raises what ended it before."""
        return _wait(self._compared)

    def while_it_lives(self, talk: Callable[[socket.socket], int]) -> int:
        """Return what `talk` makes of the line to the guest's server. Raises what ended it."""
        line = _wait(self._line)
        try:
            return talk(line)
        except OSError:  # our own output
            raise
        except Exception as error:
            self._thread.join(_FAREWELL_SECONDS)  # if the guest is gone, it says why
            if self._failure is not None:
                raise self._failure from error
            if self._end is None:
                raise
            why = " ".join(filter(None, [str(self._end.finding or "it ended"), self._end.detail]))
            raise InfrastructureError("shell", f"the guest is gone: {why}") from error

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.current_task()
            self._begun.set()
            await self._live()

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._failure = error
            for waited in (self._compared, self._line):
                if not waited.done():
                    waited.set_exception(error)
        finally:
            gone = InfrastructureError("shell", "the guest has ended")
            for waited in (self._compared, self._line):
                if not waited.done():
                    waited.set_exception(gone)

    async def _live(self) -> None:
        job = self._moment.finished.job

        async def arrived(there: Reached) -> Saved:
            self._compared.set_result(there.comparison)
            return await save(there.guest, restored=there.restored)

        async def go_on(saved: Saved, folder: Path) -> Saved:
            self._end = await visit(
                job.cell,
                saved,
                files=job.boot_files,
                folder=folder,
                tools=self._files,
                use=self._use,
                on_stage=self._again.on_stage,
                log=self._again.guests.log,
            )
            return saved

        await look(
            self._moment,
            self._again,
            arrived,
            after=go_on,
            scenario=without_end(job.cell.scenario),
            still=True,
        )

    async def _use(self, line: socket.socket) -> None:
        # Its own end: ours is closed with the guest.
        self._line.set_result(line.dup())
        await asyncio.Event().wait()


def _wait(future: Future[T]) -> T:
    # In short waits: Ctrl-C has to get through.
    while True:
        try:
            return future.result(0.2)
        except TimeoutError:
            if future.done():
                raise


def _talk(line: socket.socket, key: HostKey, command: Sequence[str]) -> int:
    with extra("shell", "memnotify shell"):
        import paramiko
    # What matters in its log is raised too.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    transport = paramiko.Transport(line)
    transport.banner_timeout = transport.handshake_timeout = _PATIENCE_SECONDS
    transport.auth_timeout = _PATIENCE_SECONDS
    try:
        with _connecting():
            _log_in(transport, line, key)
            if not command and sys.stdin is not None and sys.stdin.isatty():
                return _status(_interactive(transport, line))
            channel = transport.open_session(timeout=_PATIENCE_SECONDS)
            channel.exec_command(shlex.join(command) if command else "sh")
        status = pipe(channel)
        if status < 0 and not transport.is_active():
            raise InfrastructureError("shell", "no connection to the guest: it has ended")
        return _status(status)
    finally:
        transport.close()
        line.close()


@contextmanager
def _connecting() -> Iterator[None]:
    import paramiko

    try:
        yield
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise InfrastructureError("shell", f"no connection to the guest: {error}") from error


def _log_in(transport: paramiko.Transport, line: socket.socket, key: HostKey) -> None:
    # What comes before the server has set up its port would be lost, or echoed.
    there, _, _ = select.select([line], [], [], _PATIENCE_SECONDS)
    if there:
        transport.start_client(timeout=_PATIENCE_SECONDS)
    if not transport.initial_kex_done:
        raise InfrastructureError("shell", "the guest's SSH server does not answer")
    if transport.get_remote_server_key().asbytes() != key.public:
        raise InfrastructureError("shell", "something other than our SSH server answers")
    transport.auth_none("root")


def _interactive(transport: paramiko.Transport, line: socket.socket) -> int:
    """Return the status of an interactive shell. Raises KeyboardInterrupt at SIGTERM."""
    import fabric
    import invoke

    # The user's own settings are for hosts that are reached by a network.
    config = fabric.Config(lazy=True, overrides={"load_ssh_configs": False})
    connection = fabric.Connection("guest", user="root", config=config)
    connection.transport = transport
    told = False

    def end(*_: object) -> None:
        nonlocal told
        told = True
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)  # the shell ends with it

    # Fabric takes what SIGTERM raises for Ctrl-C, and types that in the guest.
    before = signal.signal(signal.SIGTERM, end)
    try:
        done = connection.shell()
    except invoke.exceptions.UnexpectedExit as error:  # a status other than 0
        done = error.result
    finally:
        signal.signal(signal.SIGTERM, before)
    if told:
        raise KeyboardInterrupt
    return int(done.exited)


def _status(exited: int) -> int:
    return exited if exited >= 0 else _ENDED_BY_SIGNAL
