"""The scheduler of a fleet, which runs on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from memnotify.environment import PYTHON
from memnotify.errors import InfrastructureError
from memnotify.extras import extra
from memnotify.process import CommandLog, detach
from memnotify.run.executors.protocol import CA, CERT, KEY, Tls
from memnotify.run.fleet.certificates import Pair
from memnotify.run.fleet.member import NOT_EXPOSED, SETTINGS
from memnotify.run.fleet.state import Place
from memnotify.run.living import Process

_START_S = 60.0
_END_S = 10.0
_ANSWER_S = 20.0
_LOOK_S = 0.1
_TAIL = 5  # lines


def start_scheduler(
    place: Place, pair: Pair, scheduler: Pair, *, listen: str, log: CommandLog, tied: bool
) -> tuple[Process, int]:
    """Start the scheduler; return its process and port.

    `pair` is for the commands of this machine. With `tied`, the scheduler dies with this process.
    Raises InfrastructureError.
    """
    own = place.folder / "scheduler"
    pair.write(place.tls)
    scheduler.write(own)
    os.close(os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--protocol", "tls"]
    words += ["--host", listen, "--port", "0", "--scheduler-file", str(place.scheduler)]
    words += ["--tls-ca-file", str(own / CA), "--tls-cert", str(own / CERT)]
    words += ["--tls-key", str(own / KEY), *NOT_EXPOSED]
    # Where it would otherwise leave a folder of its own, in /tmp.
    settings = {**SETTINGS, "DASK_TEMPORARY_DIRECTORY": str(place.folder)}
    process = Process.of(
        detach(words, output=place.log, log=log, env=settings, allow=[PYTHON], tied=tied)
    )
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.runs():
        with contextlib.suppress(OSError, ValueError, KeyError):
            address = json.loads(place.scheduler.read_text(encoding="utf-8"))["address"]
            return process, int(str(address).rpartition(":")[2])
        time.sleep(_LOOK_S)
    end_scheduler(process)
    said = place.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    text = f"the scheduler did not start: {' / '.join(said[-_TAIL:])}"
    raise InfrastructureError("scheduler", text)


def end_scheduler(process: Process) -> None:
    """End the scheduler, if it runs. Raises InfrastructureError if it does not go."""
    until = time.monotonic() + _END_S
    number = signal.SIGTERM
    while process.runs():
        if time.monotonic() > until:
            text = f"process {process.pid}, the scheduler, does not end"
            raise InfrastructureError("scheduler", text)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        time.sleep(_LOOK_S)
        if time.monotonic() > until - _END_S / 2:
            number = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker, as the scheduler sees it. `running` is how many tasks it runs."""

    name: str
    address: str
    resources: Mapping[str, float]
    running: int
    seen: float


def workers_of(address: str, tls: Tls) -> dict[str, Worker]:
    """Return the workers of a scheduler by name. Raises InfrastructureError without an answer."""
    with watching(address, tls) as look:
        return look()


@contextlib.contextmanager
def same_versions() -> Iterator[None]:
    """Keep Dask from warning of packages that only this machine has: no worker imports them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mismatched versions")
        yield


@contextlib.contextmanager
def watching(address: str, tls: Tls) -> Iterator[Callable[[], dict[str, Worker]]]:
    """Connect to a scheduler, and yield a function that returns its workers by name.

    Raises InfrastructureError if it does not answer.
    """
    with extra("fleet", "memnotify fleet"):
        from distributed import Client

        from memnotify.run.executors.dask_connection import security
    try:
        with same_versions():
            client = Client(
                address, security=security(tls), timeout=_ANSWER_S, set_as_default=False
            )
    except (OSError, TimeoutError) as error:
        text = " ".join(str(error).split())
        raise InfrastructureError("scheduler", f"{address} does not answer: {text}") from error
    with client:

        def look() -> dict[str, Worker]:
            found = client.scheduler_info(n_workers=-1)["workers"]
            return {str(each["name"]): _worker(key, each) for key, each in found.items()}

        yield look


def _worker(address: str, info: Mapping[str, Any]) -> Worker:
    states = info.get("metrics", {}).get("task_counts", {})
    return Worker(
        name=str(info["name"]),
        address=address,
        resources=info.get("resources", {}),
        running=int(states.get("executing", 0)),
        seen=float(info.get("last_seen", 0.0)),
    )
