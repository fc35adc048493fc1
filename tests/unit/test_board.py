"""The progress board: live on a terminal, lines elsewhere, and nothing lost on either."""

from __future__ import annotations

import io

import pytest
from memnotify.model import Finding, Outcome
from memnotify.report.board import LineBoard, open_board
from memnotify.report.live import LiveBoard
from memnotify.report.plain import plain_console, plain_table
from memnotify.text import printable, printable_lines
from rich.console import Console


def play(console: Console) -> None:
    with open_board(console) as board:
        board.building("kernel 6.1 v4", "compiling")
        board.built("kernel 6.1 v4", "abc, 1.0 s")
        board.planned(3, 1)
        board.stage("one", "boot")
        for _ in range(2):
            board.stage("one", "run")
            board.stage("one", "balloon 48 MiB")
        board.warn("one: [red]trying[/] again")
        board.stage("two", "boot")
        board.finished("one", Outcome())
        detail = "\x1b]0;title\x07 and\nmore"
        board.finished("two", Outcome(finding=Finding.PANIC, detail=detail))


def test_lines() -> None:
    out = io.StringIO()
    console = Console(file=out, width=40)
    assert isinstance(open_board(console), LineBoard)
    play(console)
    lines = [line.partition(" ")[2] for line in out.getvalue().splitlines()]
    assert lines == [
        "kernel 6.1 v4: compiling",
        "kernel 6.1 v4: abc, 1.0 s",
        "3 cells, 1 of them already finished",
        "one: boot",
        "one: run",
        "warning: one: [red]trying[/] again",
        "two: boot",
        "[2/3] one: ok",
        r"[3/3] two: finding:panic: \x1b]0;title\x07 and",
        "more",
    ]


def test_live_keeps_what_is_finished_and_shows_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, force_interactive=True)
    board = open_board(console)
    assert isinstance(board, LiveBoard)
    play(console)
    text = out.getvalue()
    for kept in ("kernel 6.1 v4: abc", "1 of 3 cells", "[red]trying[/] again", "finding:panic"):
        assert kept in text
    assert "\x1b]0;" not in text
    assert "\x07" not in text


def test_live_counts_what_waits() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    board = LiveBoard(console)
    board.planned(5, 1)
    board.stage("one", "boot")
    with console.capture() as captured:
        console.print(board._render())
    assert "1 of 5 done, 1 running, 3 queued" in captured.get()
    assert "boot" in captured.get()


def test_printable_lines_stay_lines_and_may_keep_their_colours() -> None:
    text = "one\x1b[31m\n\ttwo\x1b]0;x\x07\r\x9b\n"
    assert printable_lines(text) == "one\\x1b[31m\n\ttwo\\x1b]0;x\\x07\\r\\x9b\n"
    colored = "one\x1b[31m\n\ttwo\\x1b]0;x\\x07\\r\\x9b\n"
    assert printable_lines(text, colored=True) == colored


def test_printable_leaves_text_alone() -> None:
    assert printable("zone DMA32 – 12 ×") == "zone DMA32 – 12 ×"
    assert printable("a\x1b[2J\r\u202e") == "a\\x1b[2J\\r\\u202e"


def test_no_line_of_a_table_ends_in_blanks() -> None:
    out = io.StringIO()
    table = plain_table("name", "what")
    table.add_row("one", "short")
    table.add_row("a longer name", "a longer text than the other")
    plain_console(out).print(table)
    assert out.getvalue().splitlines() == [
        "name           what",
        "one            short",
        "a longer name  a longer text than the other",
    ]
