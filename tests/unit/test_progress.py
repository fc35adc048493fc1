"""How long the rest takes, how much of a kernel is compiled, and lines for any width."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest
from memnotify.guest.view import Glimpse, View
from memnotify.kernel.compiled import Compiled, Counts, count_compiled, now_and_then
from memnotify.model import Finding
from memnotify.report.progress import Build, Guest, Run, build_line, duration, guest_lines, shorter
from memnotify.store import Store
from rich.cells import cell_len


class Looks:
    """A guest that is at these seconds, one after the other, and then is gone."""

    def __init__(
        self, *seconds: float, of_s: float = 40, findings: tuple[Finding, ...] = ()
    ) -> None:
        self._left = list(seconds)
        self._of_s = of_s
        self._findings = findings

    def look(self) -> Glimpse | None:
        if not self._left:
            return None
        return Glimpse(
            guest_s=self._left.pop(0), of_s=self._of_s, wakeups=7, findings=self._findings
        )


def watched(*seconds: float, findings: tuple[Finding, ...] = ()) -> Guest:
    """Return a guest that was looked at once a second."""
    guest = Guest(0.0, "run")
    guest.watch(cast(View, Looks(*seconds, findings=findings)))
    for now in range(len(seconds) + 1):
        guest.look(float(now))
    return guest


def test_the_pace_is_that_of_the_last_seconds() -> None:
    assert watched(0).rate is None
    assert watched(0, 10).rate == 10
    assert watched(*range(0, 100, 10), *range(100, 120, 2)).rate == pytest.approx(2)
    assert watched(3, 3, 3).rate is None


def test_what_was_seen_last_stays() -> None:
    seen = watched(1, 2).seen
    assert seen is not None and seen.guest_s == 2


def test_another_attempt_begins_anew() -> None:
    guest = watched(10, 20)
    guest.watch(cast(View, Looks(1)))
    assert guest.seen is None and guest.rate is None
    guest.look(9.0)
    assert guest.rate is None


def test_the_time_in_which_a_guest_is_held_does_not_count() -> None:
    guest = watched(0, 10, 20)
    guest.held(60.0)
    assert guest.since == 60 and guest.rate is None  # nobody knows its pace until it runs again
    assert guest.seconds_left(90.0, 70.0) == 80
    run = Run()
    run.guest("a").held(-5.0)
    assert run.finish("a") == pytest.approx(5, abs=0.5)


def test_the_rest_takes_what_it_took_the_last_time() -> None:
    run = Run()
    run.plan(5, 1, {"a": 10.0, "b": 20.0, "c": None, "d": 30.0})
    now = time.monotonic()
    assert run.seconds_left(now) == pytest.approx(80)  # c counts as the mean, 20
    for cell in "ad":
        run.guest(cell)
    assert run.seconds_left(now) == pytest.approx(40, abs=0.1)  # two at once
    run.finish("d")
    assert run.seconds_left(now) == pytest.approx(45, abs=0.1)
    assert run.status(now, 100).startswith("2 of 5 done, 1 running, 2 queued, about 45 s left")
    assert run.status(now, 40) == "2 of 5 done, 1 running, about 45 s left"
    assert run.status(now, 30) == "2 of 5 done, about 45 s left"
    assert run.status(now, 10) == "2 of 5 done"


def test_one_long_guest_takes_its_time() -> None:
    run = Run()
    run.plan(2, 0, {"a": 100.0, "b": 1.0})
    run.guest("a")
    run.guest("b")
    assert run.seconds_left(time.monotonic()) == pytest.approx(100, abs=0.1)


def test_the_pace_of_a_guest_says_more_than_the_last_time() -> None:
    run = Run()
    run.plan(1, 0, {"a": 1000.0})
    guest = run.guest("a")
    guest.watch(cast(View, Looks(10, 20)))
    for now in (0.0, 1.0):
        guest.look(now)
    assert run.seconds_left(1.0) == pytest.approx(2)


def test_nobody_guesses_the_time_of_what_has_never_run() -> None:
    run = Run()
    run.plan(2, 0, {"a": None, "b": None})
    assert run.seconds_left(0.0) is None
    run.plan(2, 0, None)
    assert run.seconds_left(0.0) is None
    assert "left" not in run.status(0.0, 100)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_total_that_was_too_small_gives_way_to_the_limit() -> None:
    said = [str(Compiled.among(n, 6, most=False, all_of=920)) for n in (6, 7, 921)]
    assert said[0] == "6 of about 6 files compiled"
    assert said[1:] == ["7 of at most 920 files compiled", "921 files compiled"]
    assert str(Compiled.among(7, 6, most=False)) == "7 files compiled"
    assert str(Compiled.among(7, None, most=False)) == "7 files compiled"


def test_a_build_says_how_much_is_left() -> None:
    build = Build(0.0)
    for now, files in ((10.0, 100), (20.0, 300)):
        build.count(Compiled(files, 900), now)
    assert build.seconds_left(20.0) == pytest.approx(30)
    line = build_line("kernel x", build, 20.0, 79)
    assert line.startswith("kernel x  300 of about 900 files compiled, about 30 s left ")
    assert line.endswith("  20 s") and len(line) == 79
    assert "left" not in build_line("kernel x", build, 20.0, 60)
    for compiled in (Compiled(300, 900, most=True), Compiled(300)):
        build.count(compiled, 20.0)
        assert build.seconds_left(20.0) is None


@pytest.mark.parametrize("width", range(12, 130, 3))
def test_lines_fit_any_width(width: int) -> None:
    guests = {
        "6.1-v4-x86_64-pc-swap-96M-squeeze-200c-r1": watched(1, 2, findings=(Finding.OOM_KILL,)),
        "6.1-v6-ageing-x86_64-pc-swap-96M-見-200c-r1": Guest(0.0, "boot"),
    }
    lines = list(guest_lines(guests, 3.0, width))
    assert len({cell_len(line) for line in lines}) == 1
    assert cell_len(lines[0]) <= max(width, 16)
    assert "2.0/40" in lines[1] and "boot" in lines[2]
    assert ("1.0" in lines[1].split()) == ("s/s" in lines[0])


def test_names_keep_both_ends() -> None:
    assert shorter("6.1-v4-squeeze-200c-r1", 22) == "6.1-v4-squeeze-200c-r1"
    assert shorter("6.1-v4-squeeze-200c-r1", 12) == "6.1-v4…0c-r1"


def test_counts_of_builds_are_kept(tmp_path: Path) -> None:
    counts = Counts(Store(tmp_path))
    assert counts.of("6.1 x86_64") is None
    counts.note("6.1 x86_64", 925)
    counts.note("6.1 x86_64 v4", 8)
    assert (counts.of("6.1 x86_64"), Counts(Store(tmp_path)).of("6.1 x86_64 v4")) == (925, 8)
    (file,) = (tmp_path / "durations").glob("*.json")
    for damaged in ("", "[]", '{"6.1 x86_64": "many"}', '{"6.1 x86_64": 0}'):
        file.write_text(damaged)
        assert counts.of("6.1 x86_64") is None


def test_what_make_says_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    assert count_compiled(log) == 0
    log.write_bytes(b"  HOSTCC  x\n  CC      a.o\n  CC [M]  b.o\n  LD      c\n\xff\n")
    assert count_compiled(log) == 2


def test_plain_lines_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    tell = now_and_then(said.append)
    for now in (100.0, 102.0, 119.0, 121.0):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        tell(Compiled(int(now)))
    assert said == ["100 files compiled", "121 files compiled"]
