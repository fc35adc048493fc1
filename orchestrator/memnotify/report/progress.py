"""How far a run is: rates and the time left, and the lines that a board shows of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from threading import Event, Thread

from rich.cells import cell_len, set_cell_size

from memnotify.guest.view import Glimpse, View
from memnotify.kernel.compiled import Compiled
from memnotify.text import counted, printable

LastSeconds = Mapping[str, float | None]
"""How long each cell took the last time, by its name; None: it has not run."""

_WINDOW_S = 5.0
"""Over how many seconds a rate is measured."""

_BEFORE = ("waiting", "template", "boot", "restore")
"""Stages in which the scenario has not begun."""

_GAP = 2
_LEAST_NAME = 20


class Ticker:
    """Calls a function at regular intervals, in a thread of its own, until it is stopped."""

    def __init__(self, tick: Callable[[], None], *, seconds: float) -> None:
        self._tick = tick
        self._seconds = seconds
        self._stopped = False
        self._woken = Event()
        self._asked: deque[Callable[[], None]] = deque()
        self._thread = Thread(target=self._run, name="board", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it; a tick that has begun comes to its end first."""
        self._stopped = True
        self._woken.set()
        self._thread.join()

    def soon(self, work: Callable[[], None]) -> bool:
        """Have something done by this thread at once; return False if it has ended."""
        if self._stopped or not self._thread.is_alive():
            return False
        self._asked.append(work)
        self._woken.set()
        return True

    def _run(self) -> None:
        while True:
            self._woken.wait(self._seconds)
            self._woken.clear()
            if self._stopped:
                return
            try:
                (self._asked.popleft() if self._asked else self._tick)()
            except OSError:
                return  # the terminal or the reader is gone, which the main thread finds out too


@dataclass(slots=True)
class Build:
    """A build that is under way."""

    since: float
    text: str = ""
    compiled: Compiled | None = None
    first: tuple[float, int] | None = None

    def count(self, compiled: Compiled, now: float) -> None:
        self.first = self.first or (now, compiled.files)
        self.compiled = compiled

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes at the pace so far; None if nothing is known."""
        found, first = self.compiled, self.first
        if found is None or found.of is None or found.most or first is None:
            return None
        speed = (found.files - first[1]) / (now - first[0]) if now > first[0] else 0.0
        return (found.of - found.files) / speed if speed > 0 else None


@dataclass(slots=True)
class Guest:
    """A cell whose guest is starting or running."""

    since: float
    stage: str = ""
    view: View | None = None
    seen: Glimpse | None = None
    _past: deque[tuple[float, float]] = field(default_factory=deque)

    def watch(self, view: View) -> None:
        """Look at this guest from now on."""
        self.view, self.seen = view, None
        self._past.clear()

    def look(self, now: float) -> None:
        """Look at the guest, if there is one."""
        found = None if self.view is None else self.view.look()
        if found is None:
            return  # it has ended: the last look stays
        self.seen = found
        self._past.append((now, found.guest_s))
        while len(self._past) > 2 and now - self._past[1][0] >= _WINDOW_S:
            self._past.popleft()

    def held(self, seconds: float) -> None:
        """Leave out so many seconds, in which the guest was stopped."""
        self.since += seconds
        self._past.clear()

    @property
    def rate(self) -> float | None:
        """Return guest seconds for each second; None if that cannot be said yet."""
        if len(self._past) < 2:
            return None
        (then, before), (now, after) = self._past[0], self._past[-1]
        return (after - before) / (now - then) if now > then and after > before else None

    def seconds_left(self, expected: float | None, now: float) -> float | None:
        """Return how long it takes from now on, by its pace or else by what was expected."""
        if self.seen is not None and self.rate and self.seen.guest_s > 0:
            return (self.seen.of_s - self.seen.guest_s) / self.rate
        return None if expected is None else max(0.0, expected - (now - self.since))


class Run:
    """The cells of a run: done, running, queued, and how long the rest takes."""

    def __init__(self) -> None:
        self.cells = self.done = self.findings = self.failures = 0
        self.guests: dict[str, Guest] = {}
        self._expected: dict[str, float | None] = {}

    def plan(self, cells: int, there: int, expected: Mapping[str, float | None] | None) -> None:
        self.cells, self.done = cells, there
        self._expected = dict(expected or {})

    def guest(self, cell: str) -> Guest:
        """Return a cell's guest; it starts now if it has not."""
        if cell not in self.guests:
            self.guests[cell] = Guest(time.monotonic())
        return self.guests[cell]

    def finish(self, cell: str) -> float:
        """Note the end of a cell; return the seconds that it took."""
        self.done += 1
        guest = self.guests.pop(cell, None)
        seconds = 0.0 if guest is None else time.monotonic() - guest.since
        self._expected.pop(cell, None)
        return seconds

    @property
    def queued(self) -> int:
        return max(0, self.cells - self.done - len(self.guests))

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes; None if none of the cells that are left has run before.

        As many guests run at once as now. A cell that has never run counts as the mean of others.
        """
        known = [seconds for seconds in self._expected.values() if seconds is not None]
        usual = mean(known) if known else None
        left = []
        for cell, seconds in self._expected.items():
            guest = self.guests.get(cell)
            expected = usual if seconds is None else seconds
            left.append(expected if guest is None else guest.seconds_left(expected, now))
        if not left or None in left:
            return None
        found = [seconds for seconds in left if seconds is not None]
        return max(sum(found) / max(1, len(self.guests)), *found, 0.0)

    def status(self, now: float, width: int) -> str:
        """Return how far the run is, in as many words as there is room for."""
        done, running = f"{self.done} of {self.cells} done", f"{len(self.guests)} running"
        found = [counted(self.findings, "finding")] if self.findings else []
        found += [f"{self.failures} failed"] if self.failures else []
        left = self.seconds_left(now)
        about = [] if left is None else [f"about {duration(left)} left"]
        for words in (
            (done, running, f"{self.queued} queued", *found, *about),
            (done, running, *found, *about),
            (done, *found, *about),
            (done, *found),
        ):
            if len(text := ", ".join(words)) <= width:
                break
        return text


def duration(seconds: float) -> str:
    """Return `45 s`, `3 min 10 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return "{} h {} min".format(*divmod(minutes, 60))


def build_line(name: str, build: Build, now: float, width: int) -> str:
    """Return the line of a build."""
    said = build.text if build.compiled is None else str(build.compiled)
    since = duration(now - build.since)
    text = f"{printable(name)}  {printable(said)}"
    room = width - len(since) - _GAP
    left = build.seconds_left(now)
    about = "" if left is None else f", about {duration(left)} left"
    if cell_len(text + about) <= room:
        text += about
    return f"{set_cell_size(text, room)}{' ' * _GAP}{since}"


def guest_lines(guests: Mapping[str, Guest], now: float, width: int) -> Iterator[str]:
    """Yield a head, and a line for each guest.

    Where there is no room, names lose their middle, and then figures give way: the pace first.
    """
    titles = ("guest s", "s/s", "wakeups", "findings")
    rows = [_figures(guest, now) for guest in guests.values()]
    found = any(row[3] for row in rows)
    columns = [
        (title, [row[n] for row in rows], gives_way)
        for n, (title, gives_way) in enumerate(zip(titles, (0, 2, 1, 3), strict=True))
        if found or title != "findings"
    ]
    names = [printable(name) for name in guests]
    natural = max(map(cell_len, names), default=0)
    while columns:
        widths = [max(len(title), *map(len, texts)) for title, texts, _ in columns]
        room = width - sum(widths) - _GAP * len(widths)
        if room >= min(natural, _LEAST_NAME) or len(columns) == 1:
            break
        columns.remove(max(columns, key=lambda column: column[2]))
    room = max(1, min(room, natural))
    heads = [title for title, _, _ in columns]
    for name, figures in (("guest", heads), *zip(names, _rows(columns), strict=True)):
        line = set_cell_size(shorter(name, room), room)
        for text, wide in zip(figures, widths, strict=True):
            line += " " * _GAP + text.rjust(wide)
        yield line


def _rows(columns: Sequence[tuple[str, list[str], int]]) -> Iterator[list[str]]:
    for texts in zip(*(texts for _, texts, _ in columns), strict=True):
        yield list(texts)


def _figures(guest: Guest, now: float) -> tuple[str, str, str, str]:
    seen = guest.seen
    if seen is None or guest.stage in _BEFORE:
        return printable(guest.stage) or "-", "", "", ""
    rate = "" if guest.rate is None else f"{guest.rate:.1f}"
    findings = ", ".join(seen.findings)
    return f"{seen.guest_s:.1f}/{seen.of_s:g}", rate, str(seen.wakeups), findings


def shorter(name: str, width: int) -> str:
    """Return a name that fits, with both of its ends: they say which series, and which repeat."""
    if cell_len(name) <= width:
        return name
    tail = max(0, (width - 1) // 2)
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"
