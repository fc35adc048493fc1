"""Connections to hosts over ssh, by Fabric."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from memnotify.errors import InfrastructureError, InputError
from memnotify.extras import extra
from memnotify.run.campaign import run_until_done
from memnotify.run.fleet.hosts import Host

_PATIENCE = 20  # seconds until a host has to answer
_SIGN_OF_LIFE = 30  # seconds; TCP only notices that a peer is gone when it sends something
_SHOWN = 20  # lines of what a host said

T = TypeVar("T")


class Remote(Protocol):
    """The part of fabric.Connection that is used."""

    def run(self, command: str, **options: Any) -> Any: ...
    def put(self, local: Any, remote: str) -> Any: ...
    def close(self) -> None: ...


Connect = Callable[[Host], Remote]


def connect(host: Host) -> Remote:
    """Return a connection that uses the user's ssh configuration, keys and agent.

    It only connects to a host whose key is in known_hosts; fabric by itself would accept any.
    Raises InputError if the configuration or known_hosts is malformed.
    """
    return _connected(host, lambda client: client.load_system_host_keys())


def connect_anyway(host: Host) -> Remote:
    """Do the same, but pass over malformed lines of known_hosts, as ssh does."""
    return _connected(host, _load_good_lines)


def _load_good_lines(client: Any) -> None:
    from paramiko import SSHException
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    def good(line: str) -> bool:
        try:
            return HostKeyEntry.from_line(line) is not None
        except (SSHException, InvalidHostKey, ValueError):
            return False

    try:
        text = Path("~/.ssh/known_hosts").expanduser().read_text("utf-8", errors="replace")
    except OSError:
        return  # as with an empty one
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in map(str.strip, text.splitlines()) if good(line))
        file.flush()
        client.load_system_host_keys(file.name)


def _connected(host: Host, load_keys: Callable[[Any], None]) -> Remote:
    # Takes half a second, so only for a fleet.
    with extra("fleet", "memnotify fleet"):
        from fabric import Connection
        from paramiko import RejectPolicy, SSHException, Transport
        from paramiko.hostkeys import InvalidHostKey

    def transport(*args: Any, **given: Any) -> Any:
        made = Transport(*args, **given)
        made.set_keepalive(_SIGN_OF_LIFE)
        return made

    # It says on stderr what else would be in its log; what matters is raised too.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    options = {} if host.key is None else {"key_filename": str(host.key)}
    try:
        remote = Connection(
            host.address,
            user=host.user,
            port=host.port,
            connect_timeout=_PATIENCE,
            connect_kwargs=options,
        )
        load_keys(remote.client)
    except InvalidHostKey as error:
        text = f"known_hosts has a line that is not a key: {error.line.strip()!r}"
        raise InputError(f"ssh's configuration, for {host.address}: {text}") from error
    except (SSHException, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"ssh's configuration, for {host.address}: {text}") from error
    remote.connect_kwargs["transport_factory"] = transport
    remote.client.set_missing_host_key_policy(RejectPolicy())
    return cast(Remote, remote)


def ends(remote: Remote) -> tuple[str | None, str | None]:
    """Return the addresses of a connection: of this machine, and of the host.

    Of one that goes through another program, such as a jump host, there are none.
    """
    try:
        socket = cast(Any, remote).transport.sock
        return str(socket.getsockname()[0]), str(socket.getpeername()[0])
    except (AttributeError, OSError):
        return None, None


@contextmanager
def failures_of_host() -> Iterator[None]:
    """Turn errors of ssh, network and disk into InfrastructureError; bugs stay bugs."""
    from invoke.exceptions import Failure, ThreadException
    from paramiko import SSHException

    try:
        yield
    except UnicodeError as error:  # the resolver encodes names before it asks for them
        raise InfrastructureError("host", "not a name of the network that can exist") from error
    except (SSHException, Failure, ThreadException, EOFError, OSError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        text = " ".join(said.split()) or type(error).__name__
        raise InfrastructureError("host", text) from error


def must(remote: Remote, *words: str) -> str:
    """Run a command on a host and return its output. Raises InfrastructureError if it fails."""
    done = remote.run(shlex.join(words), hide=True, warn=True, in_stream=False)
    if done.return_code != 0:
        said = [line for line in str(done.stderr or done.stdout).splitlines() if line.strip()]
        text = said[-1].strip() if said else f"exit status {done.return_code}"
        raise InfrastructureError("host", f"{_program(words)}: {text}")
    return str(done.stdout)


def must_json(remote: Remote, *words: str) -> Any:
    """Run a command whose last line is JSON, and return that. Raises InfrastructureError."""
    said = must(remote, *words).strip().splitlines()[-_SHOWN:]
    try:
        return json.loads(said[-1])
    except (ValueError, IndexError) as error:
        text = said[-1] if said else "nothing"
        raise InfrastructureError("host", f"{_program(words)} said {text!r}") from error


def _program(words: Sequence[str]) -> str:
    """Return the name of the program that words run, also behind `env NAME=VALUE`."""
    return next(word for word in words if word != "env" and "=" not in word).rpartition("/")[2]


def send(remote: Remote, data: bytes, path: str) -> None:
    """Write a file on a host; one that is there keeps its mode."""
    remote.put(io.BytesIO(data), path)


def send_file(remote: Remote, file: Path, path: str) -> None:
    """Copy a file to a host."""
    remote.put(str(file), path)


def on_all(
    remotes: Mapping[str, Remote],
    work: Callable[[str, Remote], T],
    failed: Callable[[str, InfrastructureError], None],
) -> dict[str, T]:
    """Do the same on several hosts at a time, by name, and return what it gave.

    `failed` is called for each host on which it failed; the others go on. Ctrl-C closes all
    connections, which ends the work.
    """
    found: dict[str, T] = {}

    async def one(name: str, remote: Remote) -> None:
        def guarded() -> T:
            with failures_of_host():
                return work(name, remote)

        try:
            found[name] = await asyncio.to_thread(guarded)
        except InfrastructureError as error:
            failed(name, error)

    async def all_of_them() -> None:
        # asyncio's default pool is sized for this machine's CPUs, but here threads only wait.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(len(remotes) or 1))
        try:
            async with asyncio.TaskGroup() as group:
                for name, remote in remotes.items():
                    group.create_task(one(name, remote))
        except BaseException:
            close_all(remotes)  # ends the threads that wait for them
            raise

    try:
        run_until_done(all_of_them())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return {name: found[name] for name in remotes if name in found}


def close_all(remotes: Mapping[str, Remote]) -> None:
    """Close connections."""
    for remote in remotes.values():
        with suppress(Exception):  # of a connection that is broken anyway
            remote.close()


def all_failed(failures: Mapping[str, InfrastructureError]) -> InfrastructureError:
    """Return one error for a fleet without any host that is left."""
    text = "; ".join(f"{name}: {error.message}" for name, error in failures.items())
    return InfrastructureError("host", text)
