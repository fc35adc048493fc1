"""The live board on real pseudo-terminals: sizes, resizing, interruption, and pipes.

tests/support/played.py plays a run of three guests.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import pytest

from tests.support.played import CELLS
from tests.support.terminal import INTERRUPTS, Terminal

HEAD = "guest s"


def played(
    seconds: float,
    *,
    columns: int = 80,
    rows: int = 24,
    reflows: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Terminal:
    argv = [sys.executable, "-m", "tests.support.played", str(seconds)]
    return Terminal(argv, columns=columns, rows=rows, reflows=reflows, environment=environment)


def in_a_shell(script: str, seconds: float, *, rows: int = 24) -> Terminal:
    """Return a terminal in which a shell runs a script, of which {run} is a run."""
    run = shlex.join([sys.executable, "-m", "tests.support.played", str(seconds)])
    return Terminal(["bash", "-c", script.format(run=run)], rows=rows)


def whole(lines: list[str]) -> bool:
    """Return whether the board is there: its head, three guests, and its last line."""
    return sum(HEAD in line for line in lines) == 1 and "boot" in "\n".join(lines)


def test_a_board_of_80_columns() -> None:
    with played(6) as terminal:
        terminal.wait_for(
            lambda lines: whole(lines) and any("oom-kill" in line for line in lines[4:])
        )
        head, *guests, status = [line for line in terminal.shown if line][4:]
        assert head.split() == ["guest", "guest", "s", "s/s", "wakeups", "findings"]
        assert [line.split()[0] for line in guests] == CELLS[1:]
        for line in guests[:2]:
            assert re.search(r" \d+\.\d/40 +\d*\.?\d* +\d+  oom-kill$", line), line
        assert guests[2].endswith(" boot")
        assert status.startswith("2 of 5 done, 3 running, 0 queued, 1 finding, about ")
        assert terminal.cursor_is_hidden
        assert terminal.end() == 0
        lines = [line for line in terminal.shown if line]
    assert lines[:2] == ["base 6.1, from here", "✓ kernel 6.1 v4 x86_64: 0123456789abcdef, 12.3 s"]
    assert lines[3].startswith(f"● {CELLS[0]}  finding:oom-kill: 2 OOM kills")
    assert [line.split()[1] for line in lines[4:-1]] == CELLS[1:] and lines[-1] == "done"
    assert not terminal.cursor_is_hidden


@pytest.mark.parametrize("number", INTERRUPTS)
def test_nothing_is_left_after_an_interruption(number: int) -> None:
    with played(60) as terminal:
        terminal.wait_for(whole)
        assert terminal.end(number) == 130
        lines = [line for line in terminal.shown if line]
    assert len(lines) == 4 and HEAD not in "".join(lines) and "running" not in "".join(lines)
    assert not terminal.cursor_is_hidden


def test_ctrl_c_is_typed() -> None:
    with played(60) as terminal:
        terminal.wait_for(whole)
        terminal.type("\x03")
        assert terminal.end() == 130
        assert HEAD not in "".join(terminal.shown) and not terminal.cursor_is_hidden


def test_ctrl_z_leaves_the_terminal_as_it_was() -> None:
    # Not every bash reports a stopped job in a script, so this one does.
    one = "{run}; echo Stopped: $?; read -p one"
    two = "fg >/dev/null; echo Stopped: $?; read -p two"
    with in_a_shell(f"set -m; {one}; {two}; fg; echo ended with $?", 60, rows=40) as terminal:
        for prompt in ("one", "two"):
            terminal.wait_for(one_board)
            assert terminal.cursor_is_hidden
            terminal.type("\x1a")
            terminal.wait_for(has_line(prompt))
            assert HEAD not in "".join(terminal.shown) and not terminal.cursor_is_hidden
            terminal.type("\n")  # the shell goes on with fg
        terminal.wait_for(one_board)
        # What others wrote meanwhile stays.
        lines = [line for line in terminal.shown if line]
        assert [line for line in lines if line in ("one", "two")] == ["one", "two"]
        assert sum("Stopped: 148" in line for line in lines) == 2  # by SIGTSTP
        assert sum("oom-kill: 2 OOM kills" in line for line in lines) == 1
        terminal.type("\x03")
        terminal.wait_for("ended with 130")
        assert HEAD not in "".join(terminal.shown) and not terminal.cursor_is_hidden


def test_ctrl_z_without_a_shell_stops_nothing() -> None:
    with played(3) as terminal:
        terminal.wait_for(whole)
        terminal.type("\x1a")
        terminal.wait_for("done")
        assert terminal.end() == 0 and not terminal.cursor_is_hidden


def test_in_the_background_nothing_is_drawn_between_the_lines_of_the_shell() -> None:
    with in_a_shell("set -m; {run} & wait", 3) as terminal:
        terminal.wait_for("done")
        lines = [line for line in terminal.shown if line]
        assert terminal.end() == 0
    assert HEAD.encode() not in terminal.raw and b"\x1b[?25l" not in terminal.raw
    assert sum(cell in "\n".join(lines) for cell in CELLS) == 4


def has_line(text: str) -> Callable[[list[str]], bool]:
    """Return a condition: a line of the screen is exactly this text."""
    return lambda lines: text in lines


def one_board(lines: list[str]) -> bool:
    """Return whether there is a single head, and the board's last line is the last."""
    said = [line for line in lines if line]
    heads = sum(HEAD in line for line in said)
    return heads == 1 and bool(said) and said[-1].startswith("2 of 5 done")


@pytest.mark.parametrize("reflows", [False, True])
@pytest.mark.parametrize("size", [(50, 24), (120, 40), (80, 7), (30, 12)])
def test_a_resize_in_the_middle(size: tuple[int, int], reflows: bool) -> None:
    columns, rows = size
    with played(60, reflows=reflows) as terminal:
        terminal.wait_for(whole)
        terminal.resize(columns, rows)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            terminal._read()
        terminal.wait_for(one_board)  # what was read may end within a board
        lines = terminal.shown
        if rows > 20:
            # Broken where the terminal ends, but all there, once.
            kept = "".join(lines)
            for said in ("base 6.1, from here", "0123456789abcdef", "2 OOM kills"):
                assert kept.count(said) == 1, "\n".join(lines)
        assert terminal.end(INTERRUPTS[0]) == 130
        assert HEAD not in "".join(terminal.shown) and not terminal.cursor_is_hidden
        everything = "\n".join([*terminal.scrolled, *terminal.shown])
    assert "x86_64: 0123" in everything


@pytest.mark.parametrize("reflows", [False, True])
def test_several_resizes_leave_one_board(reflows: bool) -> None:
    with played(60, columns=100, reflows=reflows) as terminal:
        for columns in (70, 45, 90, 40, 120):
            terminal.wait_for(whole)
            terminal.resize(columns, 24)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                terminal._read()
            terminal.wait_for(one_board)
        terminal.end(INTERRUPTS[0])


def test_40_columns() -> None:
    with played(6, columns=40) as terminal:
        board: list[str] = []

        def whole_board(lines: list[str]) -> bool:
            # The board may be half drawn when it is read.
            board[:] = [line for line in lines if line][6:]
            return len(board) == 5 and any(re.search(r"\d+\.\d/40", line) for line in board)

        terminal.wait_for(whole_board)
        head, *guests, status = board
        assert head.split() == ["guest", "guest", "s", "wakeups"]
        assert len(guests) == 3 and all("…" in line for line in guests)
        assert len({line.split()[0] for line in guests}) == 3
        assert status.startswith("2 of 5 done") and len(status) < 40
        assert terminal.end() == 0


def test_more_guests_than_rows() -> None:
    with played(60, rows=5) as terminal:
        terminal.wait_for("and 2 more")
        lines = [line for line in terminal.shown if line]
        assert lines[-1].startswith("2 of 5 done") and lines[-2] == "and 2 more"
        terminal.end(INTERRUPTS[0])
        assert "and 2 more" not in "\n".join([*terminal.shown, *terminal.scrolled])


@pytest.mark.parametrize(
    ("environment", "escapes", "coloured"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_terminals_that_can_less(
    environment: Mapping[str, str], escapes: bool, coloured: bool
) -> None:
    with played(0.3, environment=environment) as terminal:
        assert terminal.end() == 0
    assert (b"\x1b" in terminal.raw) == escapes
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", terminal.raw)) == coloured
    if not escapes:
        assert b": boot" in terminal.raw and b"balloon" not in terminal.raw


def test_without_utf_8() -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    with played(0.5, environment=environment) as terminal:
        assert terminal.end() == 0
    assert terminal.raw.isascii() and rb"\u" not in terminal.raw
    assert f"ok {CELLS[1]}".encode() in re.sub(rb"\x1b\[[0-9;]*m", b"", terminal.raw)


@pytest.mark.parametrize("forced", [False, True])
def test_a_pipe_gets_one_line_for_each_cell_and_stage(forced: bool) -> None:
    argv = [sys.executable, "-m", "tests.support.played", "0.2"]
    colour = {"FORCE_COLOR": "1"} if forced else {"NO_COLOR": "1"}
    environment = {name: value for name, value in os.environ.items() if "COLOR" not in name}
    done = subprocess.run(
        argv, capture_output=True, text=True, check=True, env={**environment, **colour}
    )
    assert done.stderr == "base 6.1, from here\n"
    lines = done.stdout.splitlines()
    assert "\x1b[?25" not in done.stdout and "\x1b[1A" not in done.stdout
    for cell in CELLS[:3]:
        told = [line.partition(" ")[2] for line in lines if f" {cell}: " in f"{line} "]
        assert told[:2] == [f"{cell}: restore", f"{cell}: run"] and len(told) == 3
    assert sum("files compiled" in line for line in lines) == 1
    assert "balloon" not in done.stdout
