"""QMP with a transcript and with timeouts."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any

from qemu.qmp import EventListener, ExecuteError, Message, QMPClient, QMPError, Runstate

from memnotify.errors import InfrastructureError

# Errors that matter are raised as well; without this, the library logs to the user's terminal.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


# What the library raises once the session is gone; ValueError: bytes that are not a message.
_LOST = (QMPError, OSError, EOFError, ValueError)


class _RecordingClient(QMPClient):
    """A QMP client that writes down every message that passes.

    If writing fails, the session goes on, and `failure` says why.
    """

    def __init__(self, transcript: IO[str]) -> None:
        super().__init__("memnotify")
        self.failure: OSError | None = None
        self._transcript = transcript
        self._started = time.monotonic()

    def _note(self, direction: str, message: Message) -> None:
        seconds = round(time.monotonic() - self._started, 6)
        line = {"seconds": seconds, "direction": direction, "message": dict(message)}
        try:
            self._transcript.write(json.dumps(line) + "\n")
        except OSError as error:
            self.failure = error

    def _cb_outbound(self, msg: Message) -> Message:
        self._note("out", msg)
        return msg

    def _cb_inbound(self, msg: Message) -> Message:
        self._note("in", msg)
        return msg


class Monitor:
    """One QMP session."""

    def __init__(self, client: QMPClient, patience: float) -> None:
        self._client = client
        self.patience = patience

    def listen(self, *names: str) -> EventListener:
        """Return a queue of all events with these names from now on."""
        listener = EventListener(names)
        self._client.register_listener(listener)
        return listener

    async def execute(self, command: str, **arguments: object) -> Any:
        """Run one command and return its result.

        Raises InfrastructureError: `qmp-timeout` if no answer comes in time, `qmp-error` if QEMU
        refuses, `qmp-lost` if the session has ended.
        """
        try:
            async with asyncio.timeout(self.patience):
                return await self._client.execute(command, arguments or None)
        except TimeoutError as error:
            raise InfrastructureError(
                "qmp-timeout", f"QEMU did not answer {command!r} within {self.patience:g} s"
            ) from error
        except ExecuteError as error:
            raise InfrastructureError("qmp-error", f"QEMU refused {command!r}: {error}") from error
        except _LOST as error:
            raise InfrastructureError("qmp-lost", f"{command!r} got no answer: {error}") from error

    async def give(self, fd: int, name: str) -> None:
        """Give QEMU an open file under this name. Raises as `execute` does."""
        try:
            self._client.send_fd_scm(fd)
        except _LOST as error:
            raise InfrastructureError("qmp-lost", f"QEMU took no file: {error}") from error
        await self.execute("getfd", fdname=name)

    async def job(self, command: str, **arguments: object) -> None:
        """Run a command that starts a QEMU job, and wait for the job to end.

        Raises InfrastructureError: `qmp-job` if the job fails, and whatever `execute` raises.
        """
        events = self.listen("JOB_STATUS_CHANGE")
        await self.execute(command, **{"job-id": command}, **arguments)
        wanted = {"id": command, "status": "concluded"}
        try:
            async with asyncio.timeout(self.patience):
                while not wanted.items() <= data_of(await events.get()).items():
                    pass
        except TimeoutError as error:
            raise InfrastructureError(
                "qmp-timeout", f"QEMU did not finish {command!r} within {self.patience:g} s"
            ) from error
        for job in await self.execute("query-jobs"):
            if isinstance(job, dict) and job.get("id") == command and "error" in job:
                raise InfrastructureError("qmp-job", f"{command!r} failed: {job['error']}")
        await self.execute("job-dismiss", id=command)

    async def ended(self) -> None:
        """Wait until QEMU has closed the session."""
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()


@asynccontextmanager
async def open_monitor(
    sock: socket.socket, *, transcript: IO[str], patience: float
) -> AsyncIterator[Monitor]:
    """Speak QMP over a connected socket; `patience` is the timeout for each answer, in seconds.

    The socket is closed at the end. Raises InfrastructureError if QEMU sends no greeting, and
    OSError at the end if the transcript is incomplete.
    """
    client = _RecordingClient(transcript)
    try:
        async with asyncio.timeout(patience):
            await client.connect(sock)
    except TimeoutError as error:
        raise InfrastructureError(
            "qmp-timeout", f"QEMU sent no QMP greeting within {patience:g} s"
        ) from error
    except _LOST as error:
        raise InfrastructureError("qmp-lost", f"QEMU sent no QMP greeting: {error}") from error
    try:
        yield Monitor(client, patience)
        if client.failure is not None:
            raise client.failure
    finally:
        # A clean end of the session does not matter: QEMU is about to exit.
        try:
            async with asyncio.timeout(patience):
                await client.disconnect()
        except (TimeoutError, *_LOST):
            pass


def number(message: object, *path: str, told: str) -> int:
    """Return the number at a path in an answer or event; `told` names its source.

    Raises InfrastructureError: `qmp-garbage` if there is no number.
    """
    value = message
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, int):
        raise InfrastructureError("qmp-garbage", f"QEMU told by {told!r}: {message!s:.200}")
    return value


def data_of(event: Mapping[str, object]) -> dict[str, Any]:
    """Return an event's data, or an empty dict."""
    data = event.get("data")
    return data if isinstance(data, dict) else {}
