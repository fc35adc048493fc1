"""A timeline in letters, for terminals and files: one line for each quantity, time from left to
right.

Colour only repeats what the letters say. docs/howto/plots.md explains how to read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.text import Text

from memnotify.report.plots.labels import rows
from memnotify.results.course import Course, Floats, Line
from memnotify.text import printable

_NAME, _RANGE = 15, 21
"""The widths of what stands left and right of a line."""
_WIDTH = 80
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.:-=+*#"


@dataclass(frozen=True, slots=True)
class Strip:
    """One line: a name, the letters, what they range over, and the colour that repeats it."""

    name: str
    letters: str
    range: str = ""
    style: str = ""
    more: bool = False
    """It goes on with the line above, so its name is not printed again."""

    def text(self) -> str:
        name = "" if self.more else printable(self.name)
        short = name if len(name) < _NAME else name[: _NAME - 2] + "~"
        return f"{short:<{_NAME}}{self.letters}  {self.range}".rstrip()


def print_strips(console: Console, course: Course) -> None:
    """Print the timeline of a guest in at most 80 columns."""
    ascii_only = console.options.ascii_only
    width = min(console.width, _WIDTH)
    console.print()
    for strip in strips(course, width=width, ascii_only=ascii_only):
        console.print(Text(strip.text(), style=strip.style), no_wrap=True, overflow="crop")


def strips(course: Course, *, width: int = _WIDTH, ascii_only: bool = False) -> list[Strip]:
    """Return the lines of a timeline."""
    across = max(20, width - _NAME - _RANGE)
    return list(_strips(course, _Scale(course.end_s, across, _ASCII if ascii_only else _BLOCKS)))


@dataclass(frozen=True, slots=True)
class _Scale:
    """From seconds to columns, and from values to letters."""

    end_s: float
    across: int
    levels: str

    def column(self, t: float) -> int:
        part = t / self.end_s if self.end_s > 0 else 0.0
        return max(0, min(self.across - 1, int(part * self.across)))

    def letters(self, columns: Floats, low: float, high: float) -> str:
        """Return a letter for each column; blank where nothing is known, or where it is 0."""
        span = high - low
        found = []
        for value in columns.tolist():
            if math.isnan(value) or (low == 0 and value == 0):
                found.append(" ")
                continue
            part = (value - low) / span if span > 0 else 1.0
            found.append(self.levels[min(len(self.levels) - 1, int(part * len(self.levels)))])
        return "".join(found)

    def columns(self, line: Line, *, least: bool = False) -> Floats:
        """Return the greatest (or least) value in each column; one without samples has the last."""
        made = np.full(self.across, np.nan)
        for t, value in zip(line.t.tolist(), line.values.tolist(), strict=True):
            if t < 0:
                continue
            n = self.column(t)
            old = made[n]
            made[n] = value if math.isnan(old) else (min if least else max)(old, value)
        for n in range(1, self.across):
            if math.isnan(made[n]):
                made[n] = made[n - 1]
        return made

    def place(self, labels: Sequence[tuple[float, str]], most: int = 1) -> list[str]:
        """Return labels at their times, in lines; the larger go first, and what overlaps goes."""
        starts = [min(self.column(t), self.across - len(text)) for t, text in labels]
        spans = [
            (float(start), start + len(text) + 1.0)
            for start, (_, text) in zip(starts, labels, strict=True)
        ]
        order = sorted(range(len(labels)), key=lambda n: (-len(labels[n][1]), n))
        made = [[" "] * self.across for _ in range(most)]
        found = rows(spans, most=most, first=order)
        for start, (_, text), row in zip(starts, labels, found, strict=True):
            if row is not None and start >= 0:
                made[row][start : start + len(text)] = text
        return ["".join(line) for line in reversed(made) if "".join(line).strip()]


def _strips(course: Course, scale: _Scale) -> Iterator[Strip]:
    yield Strip("guest time", _axis(scale), "s")
    if course.steps:
        numbers = [(step.t, str(step.number)) for step in course.steps]
        yield from (Strip("steps", line) for line in scale.place(numbers))
    for zone in course.zones:
        yield from _zone(zone.name, zone.free, zone.gate, scale)
    for name, unit in (
        ("page cache", "MiB"),
        ("anonymous", "MiB"),
        ("swap in use", "MiB"),
        ("swapped out", "pages/s"),
        ("swapped in", "pages/s"),
        ("runnable", "tasks"),
    ):
        line = course.lines.get(name)
        if line is None or not line.t.size:
            continue
        columns = scale.columns(line)
        most = float(np.nanmax(columns, initial=0))
        yield Strip(name, scale.letters(columns, 0, most), f"0 to {_number(most)} {unit}")
    yield from _wakeups(course, scale)
    if course.findings:
        found = [(finding.t, f"x {printable(finding.text)}") for finding in course.findings]
        for number, letters in enumerate(scale.place(found, most=2)):
            yield Strip("findings", letters, style="red", more=number > 0)


def _axis(scale: _Scale) -> str:
    rough = max(scale.end_s, 1e-3) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10) if size * n >= rough)
    count = int(scale.end_s / step + 1e-9)
    ticks = [(n * step, f"{n * step:g}") for n in range(count + 1)]
    return next(iter(scale.place(ticks)), "").ljust(scale.across)


def _zone(name: str, free: Line, gate: Line, scale: _Scale) -> Iterator[Strip]:
    columns = scale.columns(free, least=True)
    if np.isnan(columns).all():
        return
    floor = 1 / 256  # a page: the scale is logarithmic
    logs = np.log(np.maximum(columns, floor))
    low, high = float(np.nanmin(logs)), float(np.nanmax(logs))
    # The least value gets the lowest letter, not a blank.
    letters = scale.letters(logs - low + 1e-9, 1e-9, high - low + 1e-9)
    between = f"{_number(float(np.nanmin(columns)))} to {_number(float(np.nanmax(columns)))} MiB"
    yield Strip(f"{name} free", letters, between)
    shut = scale.columns(gate)
    marks = "".join("=" if a <= b else " " for a, b in zip(columns, shut, strict=True))
    limit = _number(float(gate.values[-1]))
    if marks.strip():
        yield Strip("  at the gate", marks, f"{limit} MiB or less", "yellow")
    else:
        yield Strip("  at the gate", marks, f"never ({limit} MiB)")


def _wakeups(course: Course, scale: _Scale) -> Iterator[Strip]:
    if not course.batches:
        yield Strip("wakeups", " " * scale.across, "nobody")
        return
    counts = np.zeros(scale.across)
    for t in course.wakeups.t.tolist():
        counts[scale.column(t)] += 1
    sizes = [(batch.at_s, str(batch.wakeups)) for batch in course.batches]
    for number, line in enumerate(scale.place(sizes, most=2)):
        yield Strip("batches", line, "" if number else "wakeups", "yellow", more=number > 0)
    letters = scale.letters(counts, 0, float(counts.max()))
    total = f"{course.woken} of {course.clients} clients"
    yield Strip("wakeups", letters, total, "yellow")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
