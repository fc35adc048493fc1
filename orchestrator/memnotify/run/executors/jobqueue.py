"""Asks a batch system (Slurm, PBS, ...) for hosts through dask-jobqueue.

The scheduler runs in this process. Each job is a worker; keys and certificates are made for this
run, and are in files that only the user can read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memnotify.errors import InfrastructureError, InputError
from memnotify.extras import extra
from memnotify.run.executors.protocol import CA, CERT, KEY, Cluster, Tls
from memnotify.run.living import Process

SYSTEMS = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}
"""Names of dask-jobqueue's configuration, and its classes."""

MOST_JOBS = 1000
"""As many hosts as docs/explanation/scale.md has planned for; a longer number is a slip."""

_QUEUE_PATIENCE_S = 24 * 3600.0
"""A job may wait in a queue for long."""

_PREFIX, _OWNER = ".memnotify-", "owner.json"
_FORGOTTEN_S = 31 * 24 * 3600.0
"""After this, no run of another node still needs its keys."""
_BOOT, _NUMBERS = "/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"


@contextmanager
def jobs(system: str, count: int) -> Iterator[Cluster]:
    """Ask for `count` jobs; at the end they are cancelled.

    What a job gets (cores, memory, queue, time) is in dask-jobqueue's configuration. Raises
    InputError if that says too little, and InfrastructureError if jobs cannot be submitted.
    """
    with _cluster(system) as (made, tls):
        try:
            made.scale(jobs=count)
        except Exception as error:
            raise InfrastructureError("jobqueue", f"{system}: {error}") from error
        yield Cluster(
            address=made.scheduler_address,
            tls=tls,
            hosts=1,
            patience_s=_QUEUE_PATIENCE_S,
        )


def job_script(system: str) -> str:
    """Return the script of one job, without asking for any."""
    with _cluster(system) as (made, _):
        return str(made.job_script())


@contextmanager
def _cluster(system: str) -> Iterator[tuple[Any, Tls]]:
    """Yield a cluster without jobs; its files are in the user's home, which all hosts can read."""
    _remove_stale(Path.home())
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=Path.home()))
    try:
        (folder / _OWNER).touch(mode=0o600)
        (folder / _OWNER).write_text(json.dumps(_owner()), encoding="utf-8")
        with extra("fleet", "--jobqueue"):
            tls = _made(folder)
        made = _opened(system, tls)
        try:
            yield made, tls
        finally:
            made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> dict[str, Any]:
    return {**_node(), **asdict(Process.of(os.getpid()))}


def _node() -> dict[str, str]:
    """Return what tells apart the places in which a number of a process means one process.

    Two nodes may have one name; containers of one name share the boot, but not the numbers.
    """
    told = {"node": platform.node(), "boot": "", "numbers": ""}
    with contextlib.suppress(OSError):
        told["boot"] = Path(_BOOT).read_text(encoding="ascii").strip()
        told["numbers"] = str(Path(_NUMBERS).readlink())
    return told


def _remove_stale(home: Path) -> None:
    """Remove the folders of runs that were killed: there are keys in them.

    Whether a run of another node that has the same home was killed is not known here, nor one of
    this node before it was booted: it may be another node of that name.
    """
    here = _node()
    for file in home.glob(f"{_PREFIX}*/{_OWNER}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(file.read_text(encoding="utf-8"))
            if {name: told.get(name) for name in here} == here:
                stale = not Process(told["pid"], told["began"]).runs()
            else:
                stale = time.time() - file.stat().st_mtime > _FORGOTTEN_S
            if stale:
                shutil.rmtree(file.parent, ignore_errors=True)


def _opened(system: str, tls: Tls) -> Any:
    with extra("fleet", "--jobqueue"):
        import dask
        import dask_jobqueue
        from distributed import Security

        from memnotify.run.fleet.member import NOT_EXPOSED, SETTINGS

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    sides = ("scheduler", "worker", "client")
    security = Security(
        require_encryption=True,
        tls_ca_file=str(tls.ca),
        **{f"tls_{side}_cert": str(tls.cert) for side in sides},
        **{f"tls_{side}_key": str(tls.key) for side in sides},
    )
    own = dask.config.get(f"jobqueue.{system}.job-script-prologue", None) or []
    settings = [f"export {name}={shlex.quote(value)}" for name, value in SETTINGS.items()]
    try:
        # Other users of this machine may read whatever pages there are.
        with dask.config.set({"distributed.scheduler.http.routes": []}):
            return getattr(dask_jobqueue, SYSTEMS[system])(
                processes=1,
                python=sys.executable,
                security=security,
                scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                # A guest's memory is not the worker's: the ledger counts it.
                worker_extra_args=["--memory-limit", "0", *NOT_EXPOSED],
                job_script_prologue=[*own, *settings],
            )
    except (ValueError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"--jobqueue {system}: {text}",
            hint=f"set jobqueue.{system} in ~/.config/dask/jobqueue.yaml: cores, memory, walltime",
        ) from error


def _made(folder: Path) -> Tls:
    """Make an authority, and a certificate and key of it, which all sides of this run use."""
    from distributed import Security

    told = Security.temporary().get_tls_config_for_role("client")
    for name, key in ((CA, "ca_file"), (CERT, "cert"), (KEY, "key")):
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(told[key], encoding="utf-8")
    return Tls.in_folder(folder)
