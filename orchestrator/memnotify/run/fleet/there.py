"""What a fleet does on a host: sent there, and run by the host's own Python as

    python3 there.py COMMAND JSON

It prints one line of JSON, except `keep`, which stays. It imports nothing except the standard
library, because the environment of the fleet is what it makes. All of a fleet is in one folder,
which this file is in; its processes have `MEMNOTIFY_FLEET=<id>` in their environment, by which they
are found again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MARK = "MEMNOTIFY_FLEET"
_ENVIRONMENT, _TLS, _LOG, _STARTED = "environment", "tls", "worker.log", "started.json"
_LOCK, _LEDGER = "start.lock", "ledger"
_SETTLE_S = 0.1
_TAIL = 4096  # bytes
_GIVE_UP_S = 20.0
_AGAIN_S = 2.0
_PROBE_S = 10.0
_FORGOTTEN_S = 3600.0


def begin(given: dict[str, Any]) -> dict[str, Any]:
    """Make the folders of a fleet, in which files for TLS can be written but not read by others."""
    here, home = Path(given["here"]), Path.home()
    free = shutil.disk_usage(here).free
    if free < given["needed"]:
        mib = 1 << 20
        text = f"{here}: {given['needed'] // mib} MiB are needed, {free // mib} MiB are free"
        return {"problem": text}
    for name in ("tmp", "work", _TLS):
        (here / name).mkdir(0o700)
    for name in given["tls"]:
        (here / _TLS / name).touch(0o600, exist_ok=False)
    cache = home / given["store"] if given["store"] else here / "cache"
    store = cache / "memnotify"
    store.mkdir(parents=True, exist_ok=True)
    if not given["store"]:
        # Guests of the user's other fleets and runs there take from the same host.
        own = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "memnotify"
        shared = (own if own.is_dir() else here.parent) / _LEDGER
        shared.mkdir(exist_ok=True)
        (store / _LEDGER).symlink_to(shared)
    return {"cache": str(cache)}


def unpack(given: dict[str, Any]) -> dict[str, Any]:
    """Make an environment of the packages that were sent; return its Python."""
    here = Path(given["here"])
    folder = here / _ENVIRONMENT
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines() or [""]
        return {"problem": f"venv: {said[-1]}"}
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for name in given["packed"]:
        try:
            with tarfile.open(here / name) as archive:
                archive.extraction_filter = lambda member, path: member  # we have made it ourselves
                archive.extractall(folder / "lib" / python / "site-packages")
        except OSError as error:
            return {"problem": f"unpacking the environment: {error.strerror}"}
        (here / name).unlink()
    return {"python": str(folder / "bin/python")}


def start(given: dict[str, Any]) -> dict[str, Any]:
    """Start what keeps a worker, and outlives the connection."""
    with _alone(Path(given["here"])):
        return _start(given)


@contextlib.contextmanager
def _alone(here: Path) -> Iterator[None]:
    """Keep other commands from starting something on this host for the same fleet."""
    with (here / _LOCK).open("ab") as gate:  # no child inherits it
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _start(given: dict[str, Any]) -> dict[str, Any]:
    here = Path(given["here"])
    draft = here / f".{_STARTED}"
    draft.write_text(json.dumps(given), encoding="utf-8")
    draft.replace(here / _STARTED)
    environment = {**os.environ, **given["environment"], MARK: given["id"]}
    with (here / _LOG).open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, __file__, "keep", json.dumps(given)],
            cwd=here,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return {"pid": child.pid}


def again(given: dict[str, Any]) -> dict[str, Any]:
    """Start once more what this host has run before it was switched off, for so many seconds.

    Where what keeps the worker runs, that goes on: its worker joins again by itself. Of several
    commands at a time, one starts it.
    """
    here = Path(given["here"])
    with _alone(here):
        if any(map(_keeps, _family(given["id"]))):
            return {"started": False}
        try:
            before = json.loads((here / _STARTED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"problem": f"{here} is not as the fleet has left it"}
        _start({**before, "seconds": given["seconds"]})
    return {"started": True}


def keep(given: dict[str, Any]) -> None:
    """Run the worker; when it has ended, because the host was cut off, run it again.

    A scheduler that cannot be reached for an hour is gone for good.
    """
    now = began = seen = time.monotonic()
    until = began + given["seconds"]
    while now < until:
        if now == began or _answers(*given["scheduler"]):
            lifetime = ["--lifetime", f"{until - now:.0f}s"]
            subprocess.run([*_reached(given), *lifetime], stdin=subprocess.DEVNULL, check=False)
            seen = time.monotonic()
        elif now - seen > _FORGOTTEN_S:
            break
        time.sleep(_AGAIN_S)
        now = time.monotonic()


def _reached(given: dict[str, Any]) -> list[str]:
    """Return the words of the worker: others reach it as ssh did, if that is its own address."""
    with contextlib.suppress(OSError, TypeError):
        family = socket.AF_INET6 if ":" in given["address"] else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((given["address"], 0))
        return [*given["words"], "--host", given["address"]]
    return [*given["words"]]


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_PROBE_S).close()
    except OSError:
        return False
    return True


def look(given: dict[str, Any]) -> dict[str, Any]:
    """Return how many processes a fleet has besides what keeps it, and the end of what its worker
    said."""
    text = b""
    with contextlib.suppress(OSError), (Path(given["here"]) / _LOG).open("rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
        text = log.read()
    working = [pid for pid in _family(given["id"]) if not _keeps(pid)]
    return {"processes": len(working), "log": text.decode(errors="replace")}


def end(given: dict[str, Any]) -> dict[str, Any]:
    """End all processes of a fleet and remove its folder; return how many processes are left."""
    here, started = Path(given["here"]), time.monotonic()
    while family := _family(given["id"]):
        late = time.monotonic() - started
        if late > _GIVE_UP_S:
            break
        for pid in family:
            # This one removes what the others have in /dev/shm, and ends after them.
            if late > _GIVE_UP_S / 2 or not _is_tracker(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_SETTLE_S)
    shutil.rmtree(here, ignore_errors=True)
    above = here.parent
    with contextlib.suppress(OSError):
        if {path.name for path in above.iterdir()} <= {_LEDGER}:  # no other fleet
            _remove_ledger(above / _LEDGER)
            if given["made"]:
                above.rmdir()
    return {"processes": len(family), "left": here.exists()}


def _keeps(pid: int) -> bool:
    """Return whether a process is the one that keeps the worker of this folder."""
    return os.fsencode(__file__) + b"\0keep\0" in _words(pid)


def _is_tracker(pid: int) -> bool:
    """Return whether a process is the one of multiprocessing that cleans up after a program."""
    return b"resource_tracker" in _words(pid)


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _remove_ledger(folder: Path) -> None:
    """Remove a ledger that nobody uses."""
    if not folder.is_dir():
        return
    with (folder / "lock").open("ab") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
        # Whoever has opened the gate already finds it closed, and opens the next one.
        time.sleep(_SETTLE_S)


def _family(fleet: str) -> set[int]:
    """Return the processes of a fleet: those with its mark, and their descendants."""
    marked = set()
    parents: dict[int, list[int]] = {}
    for pid, parent in _processes():
        parents.setdefault(parent, []).append(pid)
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if f"{MARK}={fleet}".encode() in environment.split(b"\0"):
                marked.add(pid)
    found, todo = set(), list(marked)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += parents.get(pid, [])
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """Yield the processes that still run, each with its parent."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            state, parent = text.rpartition(")")[2].split()[:2]
            if state not in "ZX":
                yield int(folder.name), int(parent)


_COMMANDS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "begin": begin,
    "unpack": unpack,
    "start": start,
    "again": again,
    "keep": keep,
    "look": look,
    "end": end,
}

if __name__ == "__main__":
    os.umask(0o077)
    if (said := _COMMANDS[sys.argv[1]](json.loads(sys.argv[2]))) is not None:
        print(json.dumps(said))
