"""Processes: what is logged, what a failure reports, and that nothing outlives us."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from memnotify.environment import NETWORK
from memnotify.errors import InfrastructureError
from memnotify.process import CommandFailed, CommandLog, piped, run, spawn
from memnotify.rights import Rights

from tests.support.processes import alive, wait_for


def pids(file: Path, count: int) -> list[int]:
    wait_for(lambda: file.exists() and len(file.read_text().split()) == count)
    return [int(word) for word in file.read_text().split()]


# Starts a child, a grandchild, and one that detaches itself; each notes its process id.
FAMILY = """
echo $$ >> {file}
sh -c 'echo $$ >> {file}; sh -c "echo \\$\\$ >> {file}; sleep 1000" & sleep 1000' &
setsid sh -c 'echo $$ >> {file}; trap "" TERM HUP; sleep 1000' &
wait
"""


def test_output_and_status(tmp_path: Path) -> None:
    done = run(["sh", "-c", "echo one; echo two >&2; exit 3"], timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "one\n", "two\n")
    assert done.said == "one\ntwo\n"
    run(["sh", "-c", "echo one"], timeout=20, output=tmp_path / "out")
    run(["sh", "-c", "echo two"], timeout=20, output=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "one\ntwo\n"


def test_input_and_environment(tmp_path: Path) -> None:
    done = run(
        ["sh", "-c", 'cat; echo "$MINE $PWD"'],
        timeout=20,
        input=b"in ",
        env={"MINE": "yes"},
        cwd=tmp_path,
    )
    assert done.stdout == f"in yes {tmp_path}\n"


def test_what_a_program_says_before_a_timeout_is_kept() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo one; echo two >&2; sleep 1000"], timeout=5)
    assert (caught.value.done.stdout, caught.value.done.stderr) == ("one\n", "two\n")


def test_a_failure_shows_the_end_of_the_output(tmp_path: Path) -> None:
    script = "for i in $(seq 50); do echo line $i; done; exit 7"
    for output in (None, tmp_path / "out"):
        with pytest.raises(CommandFailed) as caught:
            run(["sh", "-c", script], timeout=20, output=output)
        said = str(caught.value)
        assert "exit status 7" in said
        assert "| line 50" in said
        assert "| line 30\n" not in said
        assert caught.value.done.returncode == 7
        assert not caught.value.timed_out
    assert f"full output in {tmp_path / 'out'}" in said


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(CommandFailed, match="no-such-command: No such file"):
        run(["no-such-command"], timeout=20)


def test_death_by_signal_is_a_status() -> None:
    assert run(["sh", "-c", "kill -SEGV $$"], timeout=20, check=False).returncode == 128 + 11


def test_output_is_read_while_the_command_runs(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "log")
    with piped(["sh", "-c", "echo noise >&2; echo one; cat"], timeout=20, log=log) as stream:
        assert stream.readline() == b"one\n"
        assert stream.read() == b""
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["argv"][:2] == ["sh", "-c"]


def test_a_pipe_of_a_command_that_failed() -> None:
    with (
        pytest.raises(CommandFailed, match=r"exit status 3\n  \| why") as caught,
        piped(["sh", "-c", "echo one; echo why >&2; exit 3"], timeout=20) as stream,
    ):
        stream.read()
        raise ValueError("half of it is missing")  # the command's status says why
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_pipe_that_nobody_reads_to_its_end_ends_the_command(tmp_path: Path) -> None:
    script = FAMILY.format(file=tmp_path / "pids").replace("wait\n", "yes\n")
    with (
        pytest.raises(ValueError, match="enough"),
        piped(["sh", "-c", script], timeout=20) as stream,
    ):
        assert stream.readline() == b"y\n"
        members = pids(tmp_path / "pids", 4)
        raise ValueError("enough")
    assert not any(map(alive, members))
    with piped(["yes"], timeout=20) as stream:
        assert stream.readline() == b"y\n"  # leaving now is no error


def test_a_pipe_that_stays_open_times_out() -> None:
    with (
        pytest.raises(CommandFailed, match="timed out after 1 s, killed") as caught,
        piped(["sleep", "1000"], timeout=1) as stream,
    ):
        stream.read()
    assert caught.value.timed_out


def test_the_logged_line_replays_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CommandLog(tmp_path / "log/commands.jsonl")
    odd = tmp_path / "an odd 'folder'"
    odd.mkdir()
    script = 'printf "%s|" "$A" "$B" "$LC_ALL" "$PWD" "$@"'
    argv = ["sh", "-c", script, "sh", "a b", "$HOME", "", "'\"\n"]
    done = run(argv, timeout=20, log=log, cwd=odd, env={"A": "x y"})
    (line,) = (tmp_path / "log/commands.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["argv"] == argv
    assert entry["exit"] == 0
    monkeypatch.setenv("B", "of another shell")
    replayed = subprocess.run(["sh", "-c", entry["shell"]], capture_output=True, text=True)
    assert replayed.stdout == done.stdout
    assert done.stdout.startswith("x y||C|")


def test_a_password_of_a_proxy_is_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy")
    log = CommandLog(tmp_path / "log")
    done = run(["sh", "-c", 'echo "$https_proxy"'], timeout=20, log=log, allow=[NETWORK])
    assert done.stdout == "http://me:secret@proxy\n"
    text = (tmp_path / "log").read_text()
    assert "secret" not in text
    shell = json.loads(text)["shell"]
    replayed = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
    assert replayed.stdout == done.stdout
    assert run(["sh", "-c", 'echo "$https_proxy"'], timeout=20).stdout == "\n"


def test_lines_of_many_writers_do_not_mix(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    threads = [
        threading.Thread(target=log.write, args=({"n": n, "x": "y" * 9000},)) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "commands.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["n"] for line in lines) == list(range(20))


def test_a_timeout_kills_the_whole_family(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    log = CommandLog(tmp_path / "log")
    with pytest.raises(CommandFailed, match=r"timed out after 5 s"):
        run(["sh", "-c", FAMILY.format(file=file)], timeout=5, log=log)
    family = pids(file, 4)
    assert not [pid for pid in family if alive(pid)]
    assert "timed out after" in json.loads((tmp_path / "log").read_text())["reason"]


def test_what_a_command_leaves_running_is_killed_when_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    detached = f"setsid sh -c 'echo $$ >> {file}; sleep 1000' >/dev/null 2>&1"
    script = f"{detached} & while ! test -s {file}; do sleep 0.01; done"
    done = run(["sh", "-c", script], timeout=20)
    assert done.seconds < 20
    assert not [pid for pid in pids(file, 1) if alive(pid)]


# Restores the signals that a background job ignores, and dies with a test that is killed itself.
CHILD = """
import ctypes, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
"""

PARENT = f"""{CHILD}
import sys
from memnotify.process import run
run(["sh", "-c", sys.argv[1]], timeout=1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_us(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "pids"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, FAMILY.format(file=file)], stderr=subprocess.DEVNULL
    )
    family = pids(file, 4)
    assert all(map(alive, family))
    os.kill(parent.pid, number)
    parent.wait(timeout=20)
    wait_for(lambda: not [pid for pid in family if alive(pid)])


SPAWNING = f"""{CHILD}
import asyncio, sys
from memnotify.process import spawn
async def main():
    async with await spawn(["sleep", "1000"]) as child:
        print(child.pid, flush=True)
        await child.wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_spawned_program_outlives_us(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", SPAWNING],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    os.kill(parent.pid, number)
    parent.communicate(timeout=20)
    wait_for(lambda: not alive(pid))


def test_leaving_the_context_kills_a_spawned_program(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "log")

    async def main() -> tuple[int, int | None]:
        async with await spawn(["sleep", "1000"], log=log) as child:
            pid = child.pid
        return pid, child.returncode

    pid, code = asyncio.run(main())
    assert code == -signal.SIGKILL
    assert not alive(pid)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["argv"] == ["sleep", "1000"]


def test_a_spawned_programs_output_and_status(tmp_path: Path) -> None:
    async def main() -> int:
        async with await spawn(
            ["sh", "-c", "echo out; echo err >&2; exit 4"], output=tmp_path / "out"
        ) as child:
            return await child.wait()

    assert asyncio.run(main()) == 4
    assert (tmp_path / "out").read_text() == "out\nerr\n"


@pytest.mark.parametrize("rights", [None, Rights()])
def test_a_spawned_program_does_not_get_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights | None
) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def main() -> None:
        async with await spawn(
            ["env"], output=tmp_path / "out", rights=rights, env={"MINE": "yes"}
        ) as child:
            assert await child.wait() == 0

    asyncio.run(main())
    found = (tmp_path / "out").read_text().splitlines()
    assert {f"TMPDIR={tmp_path}", f"PATH={os.environ['PATH']}", "MINE=yes"} <= set(found)
    assert "TOKEN=secret" not in found


def test_a_program_that_cannot_be_spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.process.SETPRIV", "/nonexistent")

    async def main() -> None:
        await spawn(["true"])

    with pytest.raises(InfrastructureError, match="cannot start true"):
        asyncio.run(main())


def test_a_long_command_is_heard_of_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.process._BEAT", 0.05)
    beats: list[int] = []
    done = run(
        ["sh", "-c", "cat; sleep 0.5; echo end"],
        input=b"begin\n",
        timeout=20,
        beat=lambda: beats.append(1),
    )
    assert done.stdout == "begin\nend\n"
    assert len(beats) >= 2
    with pytest.raises(CommandFailed, match="timed out after"):
        run(["sleep", "100"], timeout=0.3, beat=lambda: beats.append(1))


def test_a_program_whose_parent_dies_before_it_can_be_tied_is_not_started(tmp_path: Path) -> None:
    slow = tmp_path / "setpriv"
    slow.write_text(f'#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 1\nexec {real_setpriv()} "$@"\n')
    slow.chmod(0o755)
    mark = tmp_path / "started"
    script = SPAWNING.replace('["sleep", "1000"]', f'["sh", "-c", "touch {mark}; sleep 1000"]')
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait(timeout=20)
    wait_for(lambda: not alive(pid))
    assert not mark.exists()


def real_setpriv() -> str:
    found = shutil.which("setpriv")
    assert found is not None
    return found
