"""What a fleet does on a host: folders, processes, and the ledger that fleets share."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from memnotify.run.fleet import there

from tests.support.processes import alive, wait_for

KEPT: dict[str, Any] = {
    "id": "f1",
    "words": [sys.executable, "-c", "import time; time.sleep(60)"],
    "environment": {},
    "address": None,
    "scheduler": ["127.0.0.1", 1],
    "seconds": 60,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return home


def begun(home: Path, name: str, **more: Any) -> tuple[Path, dict[str, Any]]:
    here = home / "memnotify-fleet" / name
    here.mkdir(parents=True)
    given = {"here": str(here), "needed": 1, "tls": ["key.pem"], "store": None, **more}
    return here, there.begin(given)


def end(here: Path, fleet: str, *, made: bool = True) -> dict[str, Any]:
    return there.end({"here": str(here), "id": fleet, "made": made})


def test_files_for_tls_can_be_read_by_nobody_else(home: Path) -> None:
    here, _ = begun(home, "f1")
    assert stat.S_IMODE((here / "tls").stat().st_mode) == 0o700
    assert stat.S_IMODE((here / "tls/key.pem").stat().st_mode) == 0o600


def test_a_disk_that_is_too_small_is_a_problem(home: Path) -> None:
    _, said = begun(home, "f1", needed=1 << 60)
    assert "MiB are needed" in said["problem"] and "MiB are free" in said["problem"]


def test_fleets_share_a_ledger_and_the_last_one_removes_it(home: Path) -> None:
    one, said = begun(home, "f1")
    two, _ = begun(home, "f2")
    ledger = home / "memnotify-fleet/ledger"
    assert Path(said["cache"]) == one / "cache"
    for here in (one, two):
        assert (here / "cache/memnotify/ledger").resolve() == ledger
    assert end(one, "f1") == {"processes": 0, "left": False}
    assert ledger.is_dir()
    end(two, "f2")
    assert list(home.iterdir()) == []


def test_a_folder_that_was_there_stays(home: Path) -> None:
    here, _ = begun(home, "f1")
    end(here, "f1", made=False)
    assert [path.name for path in home.rglob("*")] == ["memnotify-fleet"]


def test_a_ledger_that_is_in_use_stays(home: Path) -> None:
    here, _ = begun(home, "f1")
    gate = home / "memnotify-fleet/ledger/lock"
    code = (
        f"import fcntl, time\nf = open({str(gate)!r}, 'a')\nfcntl.flock(f, 2)\nprint(1, flush=True)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}\ntime.sleep(60)"], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        end(here, "f1")
        assert gate.exists() and not here.exists()
    finally:
        holder.kill()
        holder.wait()


def test_the_users_own_store_there_lends_its_ledger(home: Path) -> None:
    (home / ".cache/memnotify").mkdir(parents=True)
    here, _ = begun(home, "f1")
    own = home / ".cache/memnotify/ledger"
    assert (here / "cache/memnotify/ledger").resolve() == own
    end(here, "f1")
    assert own.is_dir()


def test_a_store_that_is_named_stays(home: Path) -> None:
    here, said = begun(home, "f1", store="kept")
    assert said["cache"] == str(home / "kept")
    end(here, "f1")
    assert (home / "kept/memnotify").is_dir()


def test_an_environment_is_unpacked(home: Path) -> None:
    here, _ = begun(home, "f1")
    with tarfile.open(here / "some.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("a_module/__init__.py")
        entry.size = len(b"HELLO = 'hello'\n")
        archive.addfile(entry, io.BytesIO(b"HELLO = 'hello'\n"))
    said = there.unpack({"here": str(here), "packed": ["some.tar.gz"]})
    code = "import a_module; print(a_module.HELLO)"
    done = subprocess.run([said["python"], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n" and not (here / "some.tar.gz").exists()


FAMILY = """\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={},
                         start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_all_processes_end_also_those_that_have_no_mark(home: Path) -> None:
    here, _ = begun(home, "f1")
    words = [sys.executable, "-c", FAMILY]
    given: dict[str, Any] = {
        "here": str(here),
        "words": words,
        "environment": {},
        "id": "f1",
        "address": None,
        "scheduler": ["127.0.0.1", 1],
        "seconds": 60,
    }
    pid = there.start(given)["pid"]
    log = here / "worker.log"
    until = time.monotonic() + 30
    while not log.read_text().strip() and time.monotonic() < until:
        time.sleep(0.05)
    child = int(log.read_text())
    assert alive(pid) and alive(child)
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, "MEMNOTIFY_FLEET": "f11"},
    )
    try:
        looked = there.look({"here": str(here), "id": "f1"})
        assert looked == {"processes": 2, "log": f"{child}\n"}
        assert end(here, "f1") == {"processes": 0, "left": False}
        assert not alive(pid) and not alive(child)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def kept(tmp_path: Path, port: int, **more: Any) -> int:
    """Keep a worker that ends at once; return how often it was started."""
    lines = tmp_path / "lines"
    code = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n')"
    given = {
        "words": [sys.executable, "-c", code, str(lines)],
        "address": None,
        "scheduler": ["127.0.0.1", port],
        "seconds": 3,
    }
    there.keep(given | more)
    found = lines.read_text().splitlines()
    assert all(line.startswith("--lifetime ") for line in found)
    return len(found)


def test_a_worker_that_has_ended_begins_again_when_the_scheduler_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(there, "_AGAIN_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as scheduler:
        port = scheduler.getsockname()[1]
        assert kept(tmp_path, port) >= 2
    (tmp_path / "lines").unlink()
    assert kept(tmp_path, port) == 1  # nobody answers


def test_a_scheduler_that_is_gone_for_long_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(there, "_AGAIN_S", 0.1)
    monkeypatch.setattr(there, "_FORGOTTEN_S", 0.5)
    began = time.monotonic()
    assert kept(tmp_path, 1, seconds=600) == 1
    assert time.monotonic() - began < 300


def test_a_host_that_was_switched_off_starts_what_it_ran(home: Path) -> None:
    """What keeps the worker is started once, for the rest of the time, and as it was before."""
    here, _ = begun(home, "f1")
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write(sys.argv[3] + '\\n')"
    given: dict[str, Any] = {
        "here": str(here),
        "id": "f1",
        "words": [sys.executable, "-c", code, str(here / "lines")],
        "environment": {},
        "address": None,
        "scheduler": ["127.0.0.1", 1],
        "seconds": 7200,
    }
    first = there.start(given)["pid"]
    wait_for(lambda: lifetimes(here) == ["7200s"])
    left = {"here": str(here), "id": "f1", "seconds": 3600}
    assert there.again(left) == {"started": False}
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    assert there.again(left) == {"started": True}
    wait_for(lambda: lifetimes(here) == ["7200s", "3600s"])
    assert end(here, "f1") == {"processes": 0, "left": False}


def lifetimes(here: Path) -> list[str]:
    file = here / "lines"
    return file.read_text().split() if file.exists() else []


def test_a_folder_that_is_not_as_it_was_left_is_a_problem(home: Path) -> None:
    here, _ = begun(home, "f1")
    left = {"here": str(here), "id": "f1", "seconds": 3600}
    assert there.again(left) == {"problem": f"{here} is not as the fleet has left it"}


def test_of_several_commands_at_a_time_one_starts_the_worker(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one cannot look from before the first one's look until it has started what keeps
    the worker."""
    here, _ = begun(home, "f1")
    given = {**KEPT, "here": str(here)}
    os.kill(there.start(given)["pid"], signal.SIGKILL)
    seen = []

    def alone(step: str) -> None:
        with (here / "start.lock").open("ab") as gate, pytest.raises(BlockingIOError):
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(step)

    def family(fleet: str) -> set[int]:
        alone("look")
        return set()

    def popen(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        alone("start")
        child = real(*words, **options)
        alone("started")
        return child

    real = subprocess.Popen
    with monkeypatch.context() as patched:
        patched.setattr(there, "_family", family)
        patched.setattr(subprocess, "Popen", popen)
        assert there.again({"here": str(here), "id": "f1", "seconds": 60}) == {"started": True}
    assert seen == ["look", "start", "started"]
    # What was started does not hold the lock.
    assert there.again({"here": str(here), "id": "f1", "seconds": 60}) == {"started": False}
    assert end(here, "f1") == {"processes": 0, "left": False}


def test_what_was_started_can_be_read_while_it_is_written(home: Path) -> None:
    here, _ = begun(home, "f1")
    there.start({**KEPT, "here": str(here)})
    with (here / "started.json").open(encoding="utf-8") as reader:
        there.start({**KEPT, "here": str(here), "seconds": 7})
        assert json.load(reader)["seconds"] == 60
    assert json.loads((here / "started.json").read_text())["seconds"] == 7
    assert end(here, "f1") == {"processes": 0, "left": False}
