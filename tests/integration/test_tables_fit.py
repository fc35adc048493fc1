"""Every command that prints a table, on terminals of 60, 80 and 120 columns."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from memnotify.cli import doctor
from memnotify.cli.doctor import Check, CheckLevel
from memnotify.cli.main import main, parser
from memnotify.places import CAMPAIGNS
from rich.cells import cell_len

from tests.support.drawn import CAMPAIGN, Guest, made_up_log, made_up_run
from tests.support.published_run import published_run

DEMO = str(CAMPAIGNS / "demo.toml")
LONG = "it needs a sentence that is longer than any terminal is wide, and ends at its end" * 2
EXPECT = """
[[expect]]
says = "v4 wakes a group of clients at once, and this is said in more words than one line has"
series = "v4"
what = "max_batch >= 1"
"""
COMMANDS: dict[str, list[str]] = {
    "cells": ["cells", DEMO],
    "check": ["check", "RUN"],
    "compare": ["compare", "RUN"],
    "compare --csv-like list": ["compare", "RUN", "--columns", "metric,group,median,low,high"],
    "doctor": ["doctor"],
    "expect": ["expect", "RUN"],
    "image build": ["image", "build"],
    "kernel list": ["kernel", "list"],
    "merge": ["merge", "RUN", "-o", "MERGED"],
    "published": ["published", "PUBLISHED"],
    "run --plan": ["run", DEMO, "--plan"],
    "runs": ["runs", "RUNS"],
    "show": ["show", "RUN"],
    "show all": ["show", "RUN", "--columns", "all"],
    "show CELL": ["show", "RUN", "v4-1"],
    "store list": ["store", "list"],
    "store list KIND": ["store", "list", "image"],
}
WIDTHS = (60, 80, 120)
NUMBERS = ("wakeups", "clients_woken", "max_batch", "swapped_out_before_first", "oom_kills")


Printed = Callable[[Sequence[str], int], list[str]]


class Tty(io.StringIO):
    """Text that somebody writes to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of runs, one of which has seven cells."""
    folder = tmp_path_factory.mktemp("runs")
    guests: list[Guest] = [
        (
            f"{series}-{seed}",
            made_up_log({9.0: size + seed, 9.5: 3, 9.6: 4, 9.8: 5}),
            {"series": series, "repeat": seed, **dict.fromkeys(NUMBERS, 9**seed)},
        )
        for series, size in (("v3", 1), ("v4", 15))
        for seed in (1, 2, 3)
    ]
    point = {"series": "v6-ageing", "outcome": "finding:oom-kill", "detail": LONG}
    guests.append(("v6-ageing-1", made_up_log({}), point))
    made_up_run(folder / "run", guests, campaign=CAMPAIGN + EXPECT)
    return folder


@pytest.fixture
def printed(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Printed:
    """Return a function that runs a command on a terminal of some width."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(doctor, "examine", lambda store: CHECKS)
    places = {
        "RUN": runs / "run",
        "RUNS": runs,
        "PUBLISHED": published_run(tmp_path, monkeypatch).path,
        "MERGED": tmp_path / "merged",
    }

    def printed(words: Sequence[str], width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        out = Tty()
        monkeypatch.setattr(sys, "stdout", out)
        assert main([str(places.get(word, word)) for word in words]) in (0, 1, 3)
        return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()

    return printed


CHECKS = (
    Check("qemu", CheckLevel.OK, "version 7.2.9"),
    Check("6.12 toolchain", CheckLevel.MISSING, LONG, "apt-get install something"),
    Check("sandboxed guest", CheckLevel.NOTE, LONG),
)


def fits(line: str, width: int) -> bool:
    """Return whether a line fits, or has nothing to break: a command to copy, or a path."""
    return cell_len(line.rstrip()) <= width or bool(re.match(r"(next:|     ) memnotify ", line))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_table_fits_its_terminal(name: str, width: int, printed: Printed) -> None:
    lines = printed(COMMANDS[name], width)
    wide = [line for line in lines if not fits(line, width) and " " in line.strip()]
    assert not wide, "\n".join(wide)
    assert len(lines) > 2


@pytest.mark.parametrize("name", COMMANDS)
def test_numbers_are_aligned_to_the_right(name: str, printed: Printed) -> None:
    """A column whose values are all numbers ends at the same place in each row."""
    lines = [line.rstrip() for line in printed(COMMANDS[name], 120)]
    for block in blocks(lines):
        for column in columns_of(block):
            texts = [line[column].strip() for line in block]
            if all(re.fullmatch(r"[\d.,]+", text) for text in texts if text != "-") and any(texts):
                ends = {len(line[column].rstrip()) for line in block if line[column].strip()}
                assert len(ends) == 1, (texts, block)


def blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the rows of tables: neighbours that have blanks at the same two or more places."""
    block: list[str] = []
    for line in [*lines, ""]:
        if re.search(r"\S {2,}\S", line) and re.search(r"\d", line):
            block.append(line)
        else:
            if len(block) > 1:
                yield block
            block = []


def columns_of(block: Sequence[str]) -> Iterator[slice]:
    """Yield the places of columns: between at least two columns of blanks in all lines."""
    width = max(map(len, block))
    padded = [line.ljust(width) for line in block]
    used = "".join(" " if all(line[n] == " " for line in padded) else "x" for n in range(width))
    for match in re.finditer(r"x+(?: x+)*", used):
        yield slice(match.start(), match.end())


def test_a_guest_has_its_figures_with_units_and_says_what_comes_next(printed: Printed) -> None:
    lines = printed(COMMANDS["show CELL"], 80)
    start = next(n for n, line in enumerate(lines) if "gate to" in line)
    assert lines[start].split("  ")[0] == "wake-" and "pages swapped" in lines[start]
    assert lines[start + 1].split()[:3] == ["ups", "woken", "batch"]
    assert any(line.startswith("guest s  what") for line in lines)
    following = "\n".join(line for line in lines[-4:])
    for command in ("plot", "replay", "gdb", "explain"):
        assert f" memnotify {command} " in following


def test_every_command_with_columns_is_tried() -> None:
    tried = [f"{' '.join(words)} " for words in COMMANDS.values()]
    there = set(with_columns(parser(), ()))
    assert len(there) > 5
    assert not [name for name in there if not any(one.startswith(f"{name} ") for one in tried)]


def with_columns(one: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the commands that take --columns."""
    if "--columns" in one._option_string_actions:
        yield " ".join(path)
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from with_columns(command, (*path, name))
