"""The only module that starts processes.

Every command is logged with what is needed to run it again by hand, has a timeout and an
environment of its own (`memnotify.environment`), and dies with the testbed. `run` waits for a
command and everything it starts (compilers, patch, apt-get); `spawn` starts one long-lived program
from asyncio (QEMU).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from memnotify.commands import CommandFailed, CommandLog, Completed, entry_of, too_late
from memnotify.environment import TERMINAL, Allowed, construct
from memnotify.errors import InfrastructureError
from memnotify.inherited import above_standard
from memnotify.rights import SETPRIV, Rights

__all__ = [
    "CommandFailed",
    "CommandLog",
    "Completed",
    "Spawned",
    "detach",
    "piped",
    "run",
    "spawn",
]

_GUARD = Path(__file__).with_name("process_guard.py")
_BEAT = 2.0  # seconds


@contextlib.contextmanager
def _lifeline() -> Iterator[tuple[int, IO[bytes]]]:
    read_fd, write_fd = map(above_standard, os.pipe2(os.O_CLOEXEC))
    with os.fdopen(write_fd, "wb", buffering=0) as writer:
        try:
            yield read_fd, writer
        finally:
            os.close(read_fd)


def _communicate(
    child: subprocess.Popen[bytes],
    input: bytes | None,
    deadline: float,
    beat: Callable[[], None] | None,
) -> tuple[bytes, bytes]:
    while True:
        left = deadline - time.monotonic()
        try:
            out, err = child.communicate(input, max(0.0, min(left, _BEAT) if beat else left))
            return out or b"", err or b""
        except subprocess.TimeoutExpired:
            if beat is None or time.monotonic() >= deadline:
                raise
            input = None  # communicate() keeps the rest of it from the first call
            beat()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    stdin: int = subprocess.DEVNULL
    stdout: IO[bytes] | int
    stderr: IO[bytes] | int


def _guarded(
    words: Sequence[str],
    lifeline: int,
    streams: _Streams,
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command that dies with all its descendants when the lifeline is closed."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_GUARD), str(lifeline), *words],
        cwd=cwd,
        env=env,
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        pass_fds=(lifeline, *pass_fds),
        start_new_session=True,
    )


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    log: CommandLog | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    allow: Collection[Allowed] = (),
    input: bytes | None = None,
    output: Path | None = None,
    check: bool = True,
    beat: Callable[[], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a command to its end and return its output.

    The arguments are those of subprocess.run where they mean the same, and not grouped, so that a
    call reads as one of that.

    `timeout` is in seconds. `env` is added to the environment, which has nothing of ours except
    what `environment.EVERY` and the lists in `allow` name. With `output`, stdout and stderr are
    appended to that file, and those of `Completed` are empty. `beat` is called every 2 s while the
    command runs. However the call ends, the command and everything it started are gone afterwards.

    Raises CommandFailed on a timeout and, if `check`, on an exit status other than 0.
    """
    words = tuple(os.fspath(word) for word in argv)
    log = log or CommandLog()
    environment = construct(*allow, given=env)
    entry = entry_of(words, cwd, environment, output)
    started = time.monotonic()
    out = err = b""
    reason: str | None = None
    timed_out = False
    with contextlib.ExitStack() as stack:
        lifeline, writer = stack.enter_context(_lifeline())
        sink: IO[bytes] | int = subprocess.PIPE
        errors = subprocess.PIPE
        if output is not None:
            errors = subprocess.STDOUT
            output.parent.mkdir(parents=True, exist_ok=True)
            sink = stack.enter_context(output.open("ab"))
        child = _guarded(
            words,
            lifeline,
            _Streams(
                stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                stdout=sink,
                stderr=errors,
            ),
            cwd=cwd,
            env=environment,
            pass_fds=pass_fds,
        )
        try:
            out, err = _communicate(child, input, started + timeout, beat)
        except subprocess.TimeoutExpired:
            reason, timed_out = too_late(timeout), True
        finally:
            writer.close()  # the guard kills what is left
            if child.returncode is None:
                late = child.communicate()
                out, err = late[0] or b"", late[1] or b""
            seconds = time.monotonic() - started
            log.write({**entry, "seconds": seconds, "exit": child.returncode, "reason": reason})
    said, complained = (text.decode(errors="replace") for text in (out, err))
    done = Completed(words, child.returncode, said, complained, seconds)
    if reason is None and check and done.returncode != 0:
        reason = f"exit status {done.returncode}"
    if reason is not None:
        raise CommandFailed(done, reason, output, timed_out=timed_out)
    return done


@contextlib.contextmanager
def piped(
    argv: Sequence[str | os.PathLike[str]], *, timeout: float, log: CommandLog | None = None
) -> Iterator[IO[bytes]]:
    """Run a command and yield its stdout, which the block reads to the end.

    A block that leaves earlier ends the command. Raises CommandFailed on a timeout, which is in
    seconds, and on an exit status other than 0, which also explains an exception of a block for
    which there was nothing left to read.
    """
    words = tuple(os.fspath(word) for word in argv)
    log = log or CommandLog()
    environment = construct()
    entry = entry_of(words, None, environment, None)
    started = time.monotonic()
    wrong: Exception | None = None
    with _lifeline() as (lifeline, writer), tempfile.TemporaryFile() as errors:
        child = _guarded(
            words, lifeline, _Streams(stdout=subprocess.PIPE, stderr=errors), env=environment
        )
        assert child.stdout is not None
        timer = threading.Timer(timeout, writer.close)  # the guard kills it
        timer.start()
        ended = False
        try:
            try:
                yield child.stdout
            except Exception as error:  # raised again below
                wrong = error
            ended = not child.stdout.read(1)
        finally:
            if not ended:
                writer.close()
            child.stdout.close()
            child.wait()
            timer.cancel()
            seconds = time.monotonic() - started
            log.write({**entry, "seconds": seconds, "exit": child.returncode})
        errors.seek(0)
        done = Completed(
            words, child.returncode, "", errors.read().decode("utf-8", "replace"), seconds
        )
    if seconds >= timeout:
        raise CommandFailed(done, too_late(timeout), None, timed_out=True) from wrong
    if ended and done.returncode != 0:
        raise CommandFailed(done, f"exit status {done.returncode}", None) from wrong
    if wrong is not None:
        raise wrong


@dataclass
class Spawned:
    """A program in the background. Use it as an async context manager: leaving kills it."""

    process: asyncio.subprocess.Process
    argv: tuple[str, ...]
    _log: CommandLog
    _entry: dict[str, Any]
    _started: float
    _logged: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def wait(self) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        code = await self.process.wait()
        if not self._logged:
            self._logged = True
            self._log.write(
                {**self._entry, "seconds": time.monotonic() - self._started, "exit": code}
            )
        return code

    async def kill(self) -> int:
        """Kill it if it still runs, and reap it."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
        return await self.wait()

    async def __aenter__(self) -> Spawned:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Shielded: a second Ctrl-C must not leave the program behind.
        await asyncio.shield(self.kill())


async def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    log: CommandLog | None = None,
    env: Mapping[str, str] | None = None,
    output: Path | None = None,
    pass_fds: Sequence[int] = (),
    rights: Rights | None = None,
    interactive: bool = False,
) -> Spawned:
    """Start one program that is killed when this process dies, even by SIGKILL.

    Its stdout and stderr go to `output`, or are discarded. It must not fork: only the program
    itself is killed with us, not its children (QEMU's seccomp filter forbids it to start any). With
    `rights` it has only those. Its environment has nothing of ours except what `environment.EVERY`
    names: the rest may contain secrets.

    With `interactive` it uses our terminal instead: stdin, stdout, stderr and Ctrl-C. This is for a
    program that the user asked to talk to (gdb), which needs no limits, and is told about the
    terminal (`environment.TERMINAL`).

    Raises InfrastructureError if it cannot be started.
    """
    words = tuple(os.fspath(word) for word in argv)
    environment = construct(*([TERMINAL] if interactive else []), given=env)
    entry = entry_of(words if rights is None else rights.command(words), None, environment, output)
    with contextlib.ExitStack() as stack:
        sink: IO[bytes] | int = subprocess.DEVNULL
        if output is not None:
            sink = stack.enter_context(output.open("ab"))
        try:
            process = await asyncio.create_subprocess_exec(
                # The signal is sent when the *thread* that forked ends, here the event loop's.
                # Changing the user would disarm it, but setpriv does that first.
                SETPRIV,
                *(rights.options() if rights is not None else ()),
                "--pdeathsig",
                "KILL",
                "--",
                # If we died before the signal was armed, it would never be sent.
                "sh",
                "-c",
                '[ "$PPID" = "$0" ] && exec "$@"',
                str(os.getpid()),
                *words,
                env=environment,
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=None if interactive else sink,
                stderr=None if interactive else sink,
                pass_fds=tuple(pass_fds),
                start_new_session=not interactive,
            )
        except OSError as error:
            raise InfrastructureError("spawn", f"cannot start {words[0]}: {error}") from error
    return Spawned(process, words, log or CommandLog(), entry, time.monotonic())


def detach(
    argv: Sequence[str | os.PathLike[str]],
    *,
    output: Path,
    log: CommandLog | None = None,
    env: Mapping[str, str] | None = None,
    allow: Collection[Allowed] = (),
    tied: bool = False,
) -> int:
    """Start a program that outlives this process, and return its process id.

    This is for what a command leaves running until another one ends it. With `tied`, it is killed
    when this process dies instead, even by SIGKILL. Its stdout and stderr are added to `output`.
    The environment is as for `run`.

    Raises InfrastructureError if it cannot be started.
    """
    words = tuple(os.fspath(word) for word in argv)
    environment = construct(*allow, given=env)
    # The shell ends at once, so the program is nobody's child, and leaves no zombie with us.
    starter = ["sh", "-c", 'setsid "$@" >>"$0" 2>&1 & echo $!', os.fspath(output), *words]
    if tied:
        alive = '[ "$PPID" = "$0" ] && exec "$@"'  # as in `spawn`
        starter = [
            SETPRIV,
            "--pdeathsig",
            "KILL",
            "--",
            "sh",
            "-c",
            alive,
            str(os.getpid()),
            *words,
        ]
    entry = entry_of(words, None, environment, output)
    (log or CommandLog()).write({**entry, "detached": not tied})
    try:
        with output.open("ab") as sink:
            child = subprocess.Popen(
                starter,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink if tied else subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
    except OSError as error:
        raise InfrastructureError("spawn", f"cannot start {words[0]}: {error}") from error
    if tied:
        _tied.append(child)
        return child.pid
    said, _ = child.communicate()
    return int(said)


_tied: list[subprocess.Popen[bytes]] = []
"""Programs that die with this process; the objects are kept, because they reap."""
