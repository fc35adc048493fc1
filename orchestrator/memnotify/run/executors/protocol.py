"""What an executor is: it runs attempts at cells, here (`local.py`) or on other hosts (`dask.py`).

Everything else of a run is the same with each: what is built, the order, retries, what is published
in the run's folder and when (`run/schedule.py`). An executor decides where an attempt runs and when
it may start, and brings its files home.

For whoever starts a cluster (`memnotify fleet`, or a user by hand):

- `Cluster` is all that the executor needs to know of it: the scheduler's address, and the files for
  mutual TLS. `memnotify run C --scheduler ADDRESS --tls DIR` makes one of a folder with `ca.pem`,
  `cert.pem` and `key.pem`.
- A worker is a process `dask worker ADDRESS --name HOST --nthreads CORES --memory-limit 0
  --no-dashboard`, in an environment that has this version of memnotify with the extra `fleet`. Its
  name is what users see as the host. One worker on each host is enough.
- A worker that offers the resources `RESOURCES` (`--resources "memory_mib=N cores=N boots=N"`)
  is given no more than that at a time. One that offers none is given the host's capacity, and in
  both cases the host's own ledger decides when a guest starts.
- The store of a worker is its user's (`XDG_CACHE_HOME`). Kernels and images that it lacks are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from memnotify.errors import InputError
from memnotify.guest.view import Watcher
from memnotify.host import Machine
from memnotify.model import CellResult, Outcome
from memnotify.results.manifest import Move
from memnotify.results.summary import Job
from memnotify.results.verdict import Verdict

MEMORY, CORES, BOOTS = "memory_mib", "cores", "boots"
RESOURCES = (MEMORY, CORES, BOOTS)
"""Names of the resources of a Dask worker, in the units of the ledger: MiB, cores, and guests that
boot at a time."""

OWN = "memnotify-"
"""How the names of resources begin that workers offer by themselves. Others are tags of users."""

KVM = f"{OWN}kvm"
"""The resource of hosts that can use KVM."""

FOUND = {name: f"{OWN}{name}" for name in ("kvm", "x86_64", "aarch64", "riscv64", "ppc64le")}
"""Tags that each worker finds out by itself, and their resources: no file of hosts needs them."""

CA, CERT, KEY = "ca.pem", "cert.pem", "key.pem"
"""Names of the files for TLS in one folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files for mutual TLS: the authority of both sides, and the certificate and key of one."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Tls:
        """Return the files in a folder. Raises InputError if one is missing, or is not what it
        should be."""
        for name in (CA, CERT, KEY):
            if not (folder / name).is_file():
                raise InputError(
                    f"has no {name}", file=folder, hint=f"a folder with {CA}, {CERT} and {KEY}"
                )
        found = cls(ca=folder / CA, cert=folder / CERT, key=folder / KEY)
        found.refuse_unusable()
        return found

    def refuse_unusable(self) -> None:
        """Raise InputError for the first file that OpenSSL does not take: Dask names none."""
        import ssl  # takes 10 ms, and few commands need it

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for file, what, load in (
            (self.ca, "is no certificate", context.load_verify_locations),
            (self.cert, "is no certificate", context.load_verify_locations),
            # An empty password: otherwise OpenSSL asks the user for the one of a key that has one.
            (
                self.key,
                f"is no private key of {self.cert.name}, or has a password",
                lambda _: context.load_cert_chain(self.cert, self.key, password=""),
            ),
        ):
            try:
                load(file)
            except ssl.SSLError as error:
                hint = "a file in the format PEM, as openssl writes it"
                raise InputError(what, file=file, hint=hint) from error
            except OSError as error:
                raise InputError(f"cannot be read: {error.strerror}", file=file) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running Dask cluster. `hosts` is how many hosts to wait for before the first cell."""

    address: str
    tls: Tls | None = None
    hosts: int = 1
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One attempt at a cell. Its files are in the folder that it was given.

    The command in `result` is relative to that folder. `machine` is where it ran, and `host` its
    name in the cluster; None if it ran in this process.
    `lost` has hosts that had the cell before, and gave no result.
    """

    result: CellResult
    verdict: Verdict
    machine: Machine
    host: str | None = None
    lost: Sequence[Move] = ()


class Turn(Protocol):
    """A cell that may run now."""

    async def attempt(self, folder: Path, watcher: Watcher) -> Attempted:
        """Run the cell once. Whatever fails there is an outcome.

        Raises InputError, and InfrastructureError if no cell can run any more, such as without a
        scheduler. When it is cancelled, the guest is gone before it returns.
        """

    def leave(self, host: str) -> bool:
        """Let no further attempt run on a host; return False if there is no other one."""

    async def hopeless(self, outcome: Outcome) -> bool:
        """Return whether another attempt would fail in the same way."""


class Executor(Protocol):
    """Runs the cells of one campaign."""

    def turn(
        self, job: Job, *, waiting: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Turn]:
        """Wait until a cell may run; it keeps its place until the context ends.

        `waiting` is called with a reason if the wait is long and not for cells of the same run.
        """
