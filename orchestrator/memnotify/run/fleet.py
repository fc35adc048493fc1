"""Runs a campaign on several hosts at once: each runs a part over ssh; the parts are merged here.

A host has this package, and its own kernels and images in its store. Its results stay there, so a
second try runs only what is missing.
"""

from __future__ import annotations

import asyncio
import io
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Protocol, cast

from pydantic import Field

from memnotify import toml
from memnotify.archive import ArchiveLimits, unpack
from memnotify.campaign.load import SCENARIOS, Campaign
from memnotify.errors import InfrastructureError, InputError
from memnotify.extras import extra
from memnotify.files import read_bytes, refuse_as_folder
from memnotify.results.folder import CAMPAIGN, RunFolder
from memnotify.run.campaign import run_until_done
from memnotify.run.shards import Shard, merge, read_durations

_PATIENCE = 20  # seconds until a host has to answer
_SIGN_OF_LIFE = 30  # seconds; TCP only notices that a peer is gone when it sends something
_DURATIONS = "durations.json"
_BAD_INPUT = 2  # an exit status of ours; with 0, 1 and 3 there are results
_DONE = (0, 1, 3)
# A cell has about ten files; both limits are far above what any campaign produces.
_LIMITS = ArchiveLimits(kind="run", entries=1_000_000, size=256 << 30)

Files = Mapping[str, bytes]


class HostTable(toml.Table):
    """A host, as ssh knows it. Its paths are relative to the user's home on it."""

    address: Annotated[str, toml.spelled(r"[^\s-]\S*", "an address for ssh: [user@]host")] = Field(
        description="For ssh: [user@]host, or a name of its configuration."
    )
    program: str = Field(default="memnotify", description="The path of memnotify there.")
    folder: str = Field(default="memnotify-fleet", description="The folder of runs there.")
    jobs: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Guests at a time; default: as many as fit."
    )


class FleetTable(toml.Table):
    """The hosts of a fleet; `memnotify run --fleet` reads them."""

    host: Annotated[list[HostTable], Field(min_length=1)] = Field(
        description="The hosts; each runs a part of the campaign."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """`missing`: names of cells without a result; `failures`: what went wrong, by host."""

    missing: Sequence[str]
    failures: Mapping[str, InfrastructureError]


class Remote(Protocol):
    """The part of fabric.Connection that is used."""

    def run(self, command: str, **options: Any) -> Any: ...
    def put(self, local: Any, remote: str) -> Any: ...
    def get(self, remote: str, local: str) -> Any: ...
    def close(self) -> None: ...


Connect = Callable[[str], Remote]


def connect(address: str) -> Remote:
    """Return a connection that uses the user's ssh configuration, keys and agent.

    It only connects to a host whose key is in known_hosts; fabric by itself would accept any.
    Raises InputError if the configuration or known_hosts is malformed.
    """
    # Takes half a second, so only for a fleet.
    with extra("fleet", "--fleet"):
        from fabric import Connection
        from paramiko import RejectPolicy, SSHException, Transport
        from paramiko.hostkeys import InvalidHostKey

    def transport(*args: Any, **given: Any) -> Any:
        made = Transport(*args, **given)
        made.set_keepalive(_SIGN_OF_LIFE)
        return made

    try:
        remote = Connection(address, connect_timeout=_PATIENCE)
        remote.client.load_system_host_keys()
    except (SSHException, InvalidHostKey) as error:
        text = " ".join(str(error).split())
        raise InputError(f"ssh's configuration, for {address}: {text}") from error
    remote.connect_kwargs["transport_factory"] = transport
    remote.client.set_missing_host_key_policy(RejectPolicy())
    return cast(Remote, remote)


def load_fleet(path: Path) -> tuple[HostTable, ...]:
    """Read a HOSTS.toml. Raises InputError."""
    return tuple(toml.load(path, FleetTable).host)


def run_fleet(
    campaign: Campaign,
    hosts: Sequence[HostTable],
    *,
    path: Path,
    options: Sequence[str],
    durations: Path | None = None,
    say: Callable[[str], None],
    connect: Connect = connect,
) -> FleetResult:
    """Run a part of a campaign on each host, and put the results into a new run folder.

    `options` are for `memnotify run` on the hosts; `say` gets its output lines. If one host fails,
    the others still finish. Raises InputError for invalid input, here or according to a host, and
    InfrastructureError if no host returned results.
    """
    if len(campaign.table.kernel.base) > 1:
        text = "kernel.base: each host might choose a different base"
        raise InputError(text, file=campaign.path, hint="name one base")
    refuse_as_folder(path)
    files = _files(campaign, durations)
    with TemporaryDirectory(prefix="memnotify-fleet-") as name:
        parts = [
            _Part(host, Shard(number, len(hosts)), Path(name) / str(number), connect(host.address))
            for number, host in enumerate(hosts, 1)
        ]
        failures = run_until_done(_run_all(parts, campaign.table.name, files, options, say))
        fetched = [RunFolder(part.folder) for part in parts if part.name not in failures]
        if not fetched:
            raise next(iter(failures.values()))
        return FleetResult(missing=merge(fetched, RunFolder(path)), failures=failures)


def _files(campaign: Campaign, durations: Path | None) -> Files:
    """Return the files that a host needs, by path relative to its run."""
    files = {CAMPAIGN: campaign.text}
    for name in campaign.scenarios.keys() - campaign.table.scenario.keys():
        file = f"{SCENARIOS}/{name}.toml"
        files[file] = read_bytes(campaign.path.parent / file)
    if durations is not None:
        read_durations(durations)  # otherwise every host would report the error
        files[_DURATIONS] = read_bytes(durations)
    return files


@dataclass(frozen=True, slots=True)
class _Part:
    host: HostTable
    shard: Shard
    folder: Path
    """The folder on this host for the results."""
    remote: Remote

    @property
    def name(self) -> str:
        return f"{self.host.address} ({self.shard})"


async def _run_all(
    parts: Sequence[_Part],
    campaign: str,
    files: Files,
    options: Sequence[str],
    say: Callable[[str], None],
) -> dict[str, InfrastructureError]:
    failures: dict[str, InfrastructureError] = {}
    # asyncio's default pool is sized for this machine's CPUs, but here threads only wait.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(len(parts)))

    async def one(part: _Part) -> None:
        try:
            await asyncio.to_thread(_run_part, part, campaign, files, options, say)
        except InfrastructureError as error:
            say(f"{part.name}: {error}")
            failures[part.name] = error

    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(one(part))
    except ExceptionGroup as group:
        # Not with except*: Python 3.11.2 wraps what that raises in a new group.
        refused, _ = group.split(InputError)
        if refused is None:
            raise
        raise refused.exceptions[0] from None
    finally:
        for part in parts:
            part.remote.close()  # ends a thread that waits for it
    return failures


def _run_part(
    part: _Part,
    campaign: str,
    files: Files,
    options: Sequence[str],
    say: Callable[[str], None],
) -> None:
    host, shard, remote = part.host, part.shard, part.remote
    folder = f"{host.folder}/{campaign}-{shard.number}-of-{shard.count}"
    words = [host.program, "run", f"{folder}/{CAMPAIGN}", "-o", f"{folder}/run", "--json"]
    words += ["--shard", str(shard), *options]
    words += ["-j", str(host.jobs)] if host.jobs else []
    words += ["--durations", f"{folder}/{_DURATIONS}"] if _DURATIONS in files else []
    lines = _Lines(lambda line: say(f"{part.name}: {line}"))
    with _failures_of_host():
        _must(remote, "mkdir", "-p", f"{folder}/{SCENARIOS}")
        for name, data in files.items():
            remote.put(io.BytesIO(data), f"{folder}/{name}")
        done = remote.run(
            shlex.join(words), hide="out", warn=True, in_stream=False, err_stream=lines
        )
        if done.return_code == _BAD_INPUT:
            raise InputError(f"{part.name}: {lines.last}")
        if done.return_code not in _DONE:
            text = f"{host.program} exited with status {done.return_code}: {lines.last}"
            raise InfrastructureError("host", text)
        _must(remote, "tar", "-czf", f"{folder}/run.tar.gz", "-C", f"{folder}/run", ".")
        packed = part.folder.with_suffix(".tar.gz")
        remote.get(f"{folder}/run.tar.gz", str(packed))
        part.folder.mkdir()
        try:
            unpack(packed, "", part.folder, _LIMITS)
            _check_results(RunFolder(part.folder), files[CAMPAIGN])
        except InputError as error:  # what a host sends is not the user's fault
            raise InfrastructureError("host", f"results received: {error.message}") from error


def _check_results(results: RunFolder, campaign: bytes) -> None:
    """Raise InputError for results that would keep us from merging those of the other hosts."""
    results.whole()
    for row in results.plan():
        results.cell(row.id)
    try:
        found = read_bytes(results.path / CAMPAIGN)
    except OSError as error:
        raise InputError(f"{CAMPAIGN}: {error.strerror}") from error
    if found != campaign:
        raise InputError("they are of another campaign")


@contextmanager
def _failures_of_host() -> Iterator[None]:
    """Turn errors of ssh, network and disk into InfrastructureError; bugs stay bugs."""
    from invoke.exceptions import Failure, ThreadException
    from paramiko import SSHException

    try:
        yield
    except (SSHException, Failure, ThreadException, EOFError, OSError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise InfrastructureError("host", text) from error


def _must(remote: Remote, *words: str) -> None:
    done = remote.run(shlex.join(words), hide=True, warn=True, in_stream=False)
    if done.return_code != 0:
        raise InfrastructureError("host", f"{words[0]}: {done.stderr.strip()}")


class _Lines(io.TextIOBase):
    """A stream that passes on whole lines, and remembers the last."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = ""
        self.last = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self.last = line
            self._say(line)
        return len(text)
