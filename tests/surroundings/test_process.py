"""What a process inherits, one thing at a time: streams, limits, control groups; and refusals."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.surroundings import PACKAGE, Surrounding, World

MEMNOTIFY = [sys.executable, "-m", "memnotify"]
PYTHON = {"PYTHONPATH": str(PACKAGE.parent)}
Make = Callable[[Surrounding], World]


@pytest.fixture(scope="module")
def make(initramfs: Callable[..., Path]) -> Iterator[Make]:
    """Return a function that makes a world in a surrounding."""
    with ExitStack() as stack:

        def made(around: Surrounding) -> World:
            root = Path(stack.enter_context(TemporaryDirectory(prefix="memnotify-surrounding-")))
            root.chmod(0o755)  # QEMU's user enters it
            world = World(root, around)
            world.build(initramfs().parent)
            return world

        yield made


def started(world: World, command: str, more: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run one command as a shell starts it, with more options, and its streams redirected."""
    words = ["sh", "-c", f'exec "$@" {more}', "sh", *MEMNOTIFY, *world.commands()[command]]
    return world.start(words, env=PYTHON, capture_output=True)


CLOSED = [
    " ".join(closed)
    for n in (1, 2, 3)
    for closed in itertools.combinations(("<&-", ">&-", "2>&-"), n)
]


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_stream_behaves_as_dev_null(closed: str, make: Make) -> None:
    world = make(Surrounding())
    done = started(world, "run", f"--source '{world.place('tree')}' {closed}")
    assert done.returncode == 0, done.stderr
    shown = started(world, "show", closed)
    assert shown.returncode == 0, shown.stderr
    if ">&-" not in closed.split():
        assert [cell["outcome"] for cell in json.loads(shown.stdout)] == ["ok", "ok"]
    assert [done.stderr, shown.stderr] == [b"", b""]
    assert len([name for name in world.files() if name.endswith("bzImage")]) == 2
    assert len([name for name in world.files() if name.endswith("records.parquet")]) == 2


@pytest.mark.parametrize(
    ("out", "why"),
    [(">/dev/full", "No space left on device"), ("1</dev/null", "Bad file descriptor")],
)
def test_a_stdout_that_takes_nothing_is_told(out: str, why: str, make: Make) -> None:
    world = make(Surrounding())
    for words in (["kernel", "list"], ["--version"], ["--help"]):
        shell = ["sh", "-c", f'exec "$@" {out}', "sh", *MEMNOTIFY, *words]
        found = world.start(shell, env=PYTHON, capture_output=True)
        (line,) = found.stderr.decode().splitlines()
        assert found.returncode == 3
        assert line == f"memnotify: cannot write the output: {why}", words
    both = ["sh", "-c", 'exec "$@" >/dev/full 2>&1', "sh", *MEMNOTIFY, "kernel", "list"]
    assert world.start(both, env=PYTHON).returncode == 3


LIMITS = {
    "--nofile=64": "64 files may be open, and 256 are needed (ulimit -n)",
    "--fsize=1048576": "files may have 1 MiB at most, and 2048 are needed (ulimit -f)",
    "--as=1073741824": "a process may have 1024 MiB of addresses, and 2048 are needed (ulimit -v)",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_that_is_too_low_is_named_before_anything_is_done(limit: str, make: Make) -> None:
    world = make(Surrounding(around=("prlimit", limit)))
    before = sorted(world.place("store").rglob("*"))
    found = world.work({key: world.commands()[key] for key in ("fetch", "build", "run")})
    for command in ("fetch", "build", "run"):
        (line,) = found[command]["err"].splitlines()
        assert found[command]["status"] == 3
        assert f"memnotify: {LIMITS[limit]}" == line
    made = {path.relative_to(world.place("store")).parts[1] for path in _new(world, before)}
    assert made <= {"logs", "ledger", "locks"}
    if "--as" not in limit:  # under it, doctor itself cannot start
        assert "limits: missing" in str(world.work({"doctor": ["doctor", "--json"]})["doctor"])


def _new(world: World, before: list[Path]) -> set[Path]:
    return set(world.place("store").rglob("*")) - set(before)


UNFIT = {
    "a b": "a blank",
    "a:b": ":",
    "[a]": "[ ]",
    "a'b": "'",
    "a\nb": "\\n",
    "a%b": "%",
    "a=b": "=",
    "a$b": "$",
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_store_in_which_make_cannot_build_is_refused_before_anything_is_fetched(
    name: str, make: Make
) -> None:
    world = make(Surrounding(names={"store": name}))
    before = sorted(world.place("store").rglob("*"))
    found = world.work({key: world.commands()[key] for key in ("fetch", "build", "run")})
    for command in ("fetch", "build", "run"):
        (line,) = found[command]["err"].splitlines()
        assert found[command]["status"] == 2
        assert line.startswith("memnotify: ")
        assert f"below a path with {UNFIT[name]} (point XDG_CACHE_HOME" in line
    made = {path.relative_to(world.place("store")).parts[1] for path in _new(world, before)}
    assert made <= {"logs", "ledger", "locks"}
    assert "store: missing" in world.work({"doctor": ["doctor", "--json"]})["doctor"]["out"]


@pytest.mark.parametrize("role", ["store", "run"])
def test_a_folder_that_must_be_written_and_cannot_is_named(role: str, make: Make) -> None:
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    bind = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 77; exec "$@"'
    around = ("unshare", *root, "--mount", "sh", "-c", bind, f"{{{role}}}")
    world = make(Surrounding(around=around))
    commands = ("fetch", "build") if role == "store" else ()
    found = world.work({key: world.commands()[key] for key in (*commands, "run")})
    for command in (*commands, "run"):
        lines = found[command]["err"].splitlines()
        assert found[command]["status"] in (2, 3), (command, found[command])
        assert "Read-only file system" in lines[-1]
        assert lines[-1].startswith("memnotify: ")
        assert str(world.place(role)) in lines[-1]
        assert "Traceback" not in found[command]["err"]


def test_a_folder_that_is_gone_is_named(make: Make) -> None:
    gone = ("sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh")
    world = make(Surrounding(around=gone))
    commands = {**world.commands(), "relative": ["show", "run"]}
    found = world.work({key: commands[key] for key in ("fetch", "apply", "relative")})
    assert [found[key]["status"] for key in ("fetch", "apply", "relative")] == [0, 0, 2]
    assert "Traceback" not in str(found)


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """Return a command that puts a command into control groups of 3 GiB and one core."""
    kinds = {
        "/sys/fs/cgroup/memory": {"memory.limit_in_bytes": str(3 << 30)},
        "/sys/fs/cgroup/cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"},
        "/sys/fs/cgroup": {"memory.max": str(3 << 30), "cpu.max": "100000 100000"},
    }
    made = []
    with ExitStack() as stack:
        for top, limits in kinds.items():
            folder = Path(top) / f"memnotify-test-{os.getpid()}"
            if not all((Path(top) / name).exists() for name in ("cgroup.procs",)):
                continue
            with suppress(OSError):
                folder.mkdir()
                stack.callback(folder.rmdir)
                for name, value in limits.items():
                    (folder / name).write_text(value)
                made.append(folder)
        if not made:
            pytest.skip("no control groups can be made here")
        join = "".join(f'echo $$ > "{folder}/cgroup.procs" && ' for folder in made)
        yield ("sh", "-c", f'{join}exec "$@"', "sh")


def test_limits_of_control_groups_are_those_of_the_machine(
    group: tuple[str, ...], make: Make
) -> None:
    world = make(Surrounding(around=group))
    done = world.start([*MEMNOTIFY, "doctor", "--json"], env=PYTHON, capture_output=True)
    found = {row["name"]: row["detail"] for row in json.loads(done.stdout)}
    assert found["memory"] == "3072 MiB"
    assert found["cores"] == "1"
    told = world.work()
    assert told["run"]["status"] == 0
    log = (world.place("store") / "memnotify/logs/commands.jsonl").read_text(encoding="utf-8")
    started = [json.loads(line)["argv"] for line in log.splitlines()]
    jobs = {word for argv in started if argv[0] == "make" for word in argv if word[:2] == "-j"}
    assert jobs == {"-j1"}
