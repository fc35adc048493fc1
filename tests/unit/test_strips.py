"""The timeline in letters: what it shows, and that it fits every terminal."""

from __future__ import annotations

import io
import re

import pytest
from memnotify.report.plain import plain_console
from memnotify.report.strips import print_strips, strips
from memnotify.results.course import Course
from rich.console import Console

from tests.support.drawn import made_up_course


def lines(course: Course, **options: bool) -> dict[str, str]:
    return {strip.name: strip.letters for strip in strips(course, **options)}


def test_what_it_shows() -> None:
    found = lines(made_up_course())
    free = found["DMA32 free"]
    assert free[0] == "█" and free[-1] == "▁" and list(free) == sorted(free, reverse=True)
    # The gate opens at 8.75 of 9.9 s, and memory stays low.
    assert re.fullmatch(r" {39}=+", found["  at the gate"])
    sizes = [strip.letters.split() for strip in strips(made_up_course()) if strip.name == "batches"]
    assert sizes == [["7"], ["10"]]  # they would overlap
    names = [strip.text().split()[0] for strip in strips(made_up_course())]
    assert names.count("batches") == 1
    assert found["wakeups"].rstrip()[-1] == "▆" and "█" in found["wakeups"]
    assert found["steps"].split() == ["0", "1", "2"]
    assert found["guest time"].split() == ["0", "2", "4", "6", "8"]
    assert set(found["runnable"]) == {"█"}


def test_a_guest_in_which_nobody_wakes_and_a_finding() -> None:
    course = made_up_course({}, outcome="finding:panic")
    (wakeups,) = [strip for strip in strips(course) if strip.name == "wakeups"]
    assert wakeups.text().split() == ["wakeups", "nobody"]
    (finding,) = [strip for strip in strips(course) if strip.name == "findings"]
    assert finding.letters.strip() == "x panic"


@pytest.mark.parametrize("width", [40, 72, 80, 300])
def test_it_fits(width: int) -> None:
    out = io.StringIO()
    crowd = {n / 10: 19 for n in range(10, 98)}
    course = made_up_course(crowd, zone=b"Movable8", outcome="finding:oom-kill")
    print_strips(Console(file=out, width=width, force_terminal=True, no_color=True), course)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert max(map(len, shown.splitlines())) <= min(width, 80)


def test_a_file_gets_no_escapes_and_no_blanks_at_ends() -> None:
    out = io.StringIO()
    print_strips(plain_console(out), made_up_course(zone=b"\x1b[31m"))
    text = out.getvalue()
    assert "\x1b" not in text
    assert not re.search(r" $", text, re.M)
    assert max(map(len, text.splitlines())) <= 80


def test_without_blocks_it_is_ascii() -> None:
    made = strips(made_up_course({9.0: 10}), ascii_only=True)
    assert "".join(strip.text() for strip in made).isascii()


def test_a_log_that_ends_at_once() -> None:
    course = made_up_course({}, every_s=20.0)
    assert course.end_s == 0
    assert len(lines(course)) > 5
