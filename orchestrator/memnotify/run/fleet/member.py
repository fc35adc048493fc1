"""What is done on one host of a fleet, over its connection."""

from __future__ import annotations

import json
import platform
import posixpath
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify.errors import InfrastructureError
from memnotify.guest.qemu import QEMU
from memnotify.run.executors.protocol import BOOTS, CA, CERT, CORES, KEY, MEMORY
from memnotify.run.fleet import there
from memnotify.run.fleet.certificates import Pair
from memnotify.run.fleet.facts import Facts
from memnotify.run.fleet.hosts import Host
from memnotify.run.fleet.remote import Remote, ends, must, must_json, send, send_file

_THERE = "there.py"
_LOOKERS = ("look", "again", "end")  # commands of it that are no part of what they look for
# What is asked of a host's Python before anything is sent; it may be of any version.
_ASK = """
import json, os, platform, subprocess, sys
try:
    pipe = subprocess.Popen([sys.argv[1], "--version"], stdout=subprocess.PIPE)
    qemu = (pipe.communicate()[0].decode().splitlines() or [None])[0]
except OSError:
    qemu = None
home, machine = os.path.expanduser("~"), platform.machine()
print(json.dumps([list(sys.version_info[:2]), machine, home, qemu]))
"""
# Whether a fleet has more here than its folder, which else is removed.
_BEGUN = '[ -e "$0/there.py" ] || { rm -rf -- "$0"; [ -z "$1" ] || rmdir -- "$1"; false; }'
_UNPACKED = 4  # times the size of the archive, with a margin
_DEATH_S = 60
_PLENTY = 1_000_000_000

SETTINGS: Mapping[str, str] = {
    # Without a dashboard, Dask still serves pages that anybody may read.
    "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
    # A host that is cut off says nothing: its cells go elsewhere after this.
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "20s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "60s",
    # It looks at every thread a hundred times a second.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
"""Settings of Dask for schedulers and workers, in their environment."""

NOT_EXPOSED = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""Options that keep the web server of a Dask process from being reached from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The folder of a fleet on a host: `here`. `made` says whether the one above it is new.

    `python` is the host's own.
    """

    here: str
    made: bool
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A host on which a fleet has a folder.

    `ours` and `its` are the addresses of both ends of the connection, if they are known; `qemu` is
    the version of QEMU there.
    """

    host: Host
    folder: Folder
    ours: str | None
    its: str | None
    qemu: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipped:
    """A host with an environment: `python` is the Python in it, and `cache` its cache folder."""

    python: str
    cache: str
    facts: Facts


def enter(host: Host, remote: Remote, fleet: str) -> Entered:
    """Look at a host and make a folder of the fleet there. Raises InfrastructureError."""
    version, machine, home, qemu = must_json(remote, host.python, "-c", _ASK, QEMU)
    wanted = list(sys.version_info[:2])
    if version != wanted:
        text = f"{host.python} is {_dotted(version)}, and {_dotted(wanted)} runs here"
        raise InfrastructureError("host", text, hint="set python in the file of hosts")
    if machine != platform.machine():
        raise InfrastructureError("host", f"it is {machine}, and {platform.machine()} runs here")
    above = posixpath.join(home, host.folder)
    here = posixpath.join(above, fleet)
    new = '[ -e "$0" ] || echo new; umask 077; mkdir -p -- "$0" && mkdir -- "$1"'
    made = "new" in must(remote, "sh", "-c", new, above, here)
    folder = Folder(here=here, made=made, python=host.python)
    try:
        send(remote, Path(there.__file__).read_bytes(), posixpath.join(here, _THERE))
    except BaseException:
        end_on(folder, remote, fleet)
        raise
    ours, its = ends(remote)
    return Entered(host=host, folder=folder, ours=ours, its=its, qemu=qemu)


def equip(entered: Entered, remote: Remote, packed: Sequence[Path]) -> Equipped:
    """Make the environment and the folders of a worker. Raises InfrastructureError."""
    needed = sum(file.stat().st_size for file in packed) * (_UNPACKED + 1)
    given = {"needed": needed, "tls": [CA, CERT, KEY], "store": entered.host.store}
    begun = call(entered.folder, remote, "begin", given)
    for file in packed:
        send_file(remote, file, posixpath.join(entered.folder.here, file.name))
    names = [file.name for file in packed]
    unpacked = call(entered.folder, remote, "unpack", {"packed": names})
    python, cache = unpacked["python"], begun["cache"]
    words = in_environment(entered.folder, python, cache, "memnotify.run.fleet.facts")
    return Equipped(python=python, cache=cache, facts=Facts.from_json(must_json(remote, *words)))


def in_environment(folder: Folder, python: str, cache: str, *words: str) -> list[str]:
    """Return the words that run a module in the environment on a host, with the store there."""
    return ["env", _mark(folder), f"XDG_CACHE_HOME={cache}", python, "-m", *words]


def _mark(folder: Folder) -> str:
    """Return the mark of a fleet's processes: a closed connection ends none, but `end_on` does."""
    return f"{there.MARK}={posixpath.basename(folder.here)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker offers."""

    memory_mib: int
    cores: int
    boots: int
    tags: Sequence[str]

    def words(self) -> str:
        """Return it as `dask worker --resources` takes it."""
        offers = {MEMORY: self.memory_mib, CORES: self.cores, BOOTS: self.boots}
        offers |= dict.fromkeys(self.tags, _PLENTY)
        return " ".join(f"{name}={number}" for name, number in offers.items())


def offer(host: Host, facts: Facts) -> Offer:
    """Return what the worker of a host offers: what the file says, never more than there is."""
    cores = min(host.cores or facts.cores, facts.cores)
    return Offer(
        memory_mib=min(host.memory_mib or facts.memory_mib, facts.memory_mib),
        cores=cores,
        boots=host.boots or max(2, cores // 2),
        tags=host.tags,
    )


def start_worker(
    entered: Entered,
    equipped: Equipped,
    remote: Remote,
    *,
    fleet: str,
    offered: Offer,
    scheduler: str,
    pair: Pair,
    hours: int,
) -> None:
    """Start the worker of a host, which joins again after a loss. Raises InfrastructureError."""
    tls = posixpath.join(entered.folder.here, "tls")
    for name, data in pair.files().items():
        send(remote, data, posixpath.join(tls, name))
    words = [equipped.python, "-m", "distributed.cli.dask_worker", scheduler]
    words += ["--tls-ca-file", f"{tls}/{CA}", "--tls-cert", f"{tls}/{CERT}"]
    words += ["--tls-key", f"{tls}/{KEY}", "--name", entered.host.name, *NOT_EXPOSED]
    words += ["--nthreads", str(offered.cores), "--resources", offered.words()]
    # A guest's memory is not the worker's, and the ledger counts it.
    words += ["--memory-limit", "0", "--local-directory", f"{entered.folder.here}/work"]
    words += ["--death-timeout", str(_DEATH_S)]
    environment = {
        **SETTINGS,
        "XDG_CACHE_HOME": equipped.cache,
        "TMPDIR": f"{entered.folder.here}/tmp",
        "PYTHONNOUSERSITE": "1",
    }
    host, _, port = scheduler.removeprefix("tls://").rpartition(":")
    given = {
        "words": words,
        "environment": environment,
        "id": fleet,
        "address": entered.its,
        "scheduler": [host.strip("[]"), int(port)],
        "seconds": hours * 3600,
    }
    call(entered.folder, remote, "start", given)


def end_on(folder: Folder, remote: Remote, fleet: str) -> None:
    """End what a fleet has on a host. Raises InfrastructureError if something is left."""
    above = posixpath.dirname(folder.here) if folder.made else ""
    words = ["sh", "-c", _BEGUN, folder.here, above]
    there = remote.run(shlex.join(words), hide=True, warn=True, in_stream=False)
    if there.return_code != 0:
        return  # it was ended before, or had hardly begun
    found = call(folder, remote, "end", {"id": fleet, "made": folder.made})
    if found["processes"] or found["left"]:
        text = f"{found['processes']} processes and {folder.here} are left"
        raise InfrastructureError("host", text)


def start_again(folder: Folder, remote: Remote, fleet: str, *, seconds: float) -> bool:
    """Start the worker of a host that was switched off; return False if it needs none.

    Raises InfrastructureError if what the fleet had there is gone.
    """
    begun = must(remote, "sh", "-c", '[ ! -e "$0" ] || echo begun', _script(folder))
    if not begun:
        raise InfrastructureError("host", f"{folder.here} is gone")
    given = {"id": fleet, "seconds": seconds}
    return bool(call(folder, remote, "again", given)["started"])


def call(folder: Folder, remote: Remote, command: str, given: Mapping[str, Any]) -> Any:
    """Run a command of there.py on a host, and return what it says. Raises InfrastructureError."""
    script = _script(folder)
    value = json.dumps({"here": folder.here, **given})
    marked = [] if command in _LOOKERS else ["env", _mark(folder)]
    said = must_json(remote, *marked, folder.python, script, command, value)
    if "problem" in said:
        raise InfrastructureError("host", said["problem"])
    return said


def _script(folder: Folder) -> str:
    return posixpath.join(folder.here, _THERE)


def _dotted(version: Sequence[int]) -> str:
    return "Python " + ".".join(map(str, version))
