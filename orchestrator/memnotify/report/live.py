"""The live board: builds and running guests at the bottom of a terminal, redrawn once a second.

Finished items scroll away above it, so nothing is lost. docs/decisions/terminal.md says what rich
does here and what it does not.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from types import TracebackType
from typing import Any, Self

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from memnotify.guest.view import View
from memnotify.kernel.compiled import Compiled
from memnotify.model import Ending, Outcome
from memnotify.report.progress import Build, LastSeconds, Run, Ticker, build_line, guest_lines
from memnotify.report.suspend import Suspension, in_foreground
from memnotify.text import printable

_PERIOD_SECONDS = 1.0
_MARKS = {
    Ending.OK: ("✓", "ok", "green"),
    Ending.FINDING: ("●", "*", "yellow"),
    Ending.INFRASTRUCTURE: ("✗", "x", "red"),
}
_KEPT_LINES = 200


class LiveBoard:
    """A region at the bottom of the terminal: builds, then running guests, then what is left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._builds: dict[str, Build] = {}
        self._run = Run()
        self._lock = RLock()
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._drawn: list[str] = []
        self._live = self._new()
        self._ticker = Ticker(self._tick, seconds=_PERIOD_SECONDS)
        self._suspension = Suspension(self._ticker.soon, self.aside)
        self._asides = 0

    def _new(self) -> Live:
        return Live(
            get_renderable=self._render,
            console=self._console,
            auto_refresh=False,
            transient=True,
            # What others write must go above the board, if it goes to the same terminal.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._draw()
        self._ticker.start()
        self._suspension.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._suspension.stop()
            self._ticker.stop()
            with self._lock:
                self._fit_page()
                self._end()
        finally:
            self._console.show_cursor(True)  # whatever interrupts this

    def note(self, text: str) -> None:
        self._print(_safe(text))

    def building(self, what: str, text: str) -> None:
        with self._lock:
            build = self._builds.setdefault(what, Build(time.monotonic()))
            build.text, build.compiled = text, None
            self._refresh()

    def compiled(self, what: str, compiled: Compiled) -> None:
        with self._lock:
            now = time.monotonic()
            self._builds.setdefault(what, Build(now)).count(compiled, now)

    def built(self, what: str, text: str) -> None:
        with self._lock:
            self._builds.pop(what, None)
            self._print(f"{self._mark(Ending.OK)} {_safe(what)}: {_safe(text)}")

    def failed(self, what: str, text: str) -> None:
        with self._lock:
            self._builds.pop(what, None)
            # Without a red mark: a source that cannot be fetched is why there is another base.
            self._print(f"[dim]-[/] {_safe(what)}: {_safe(text)}")

    def planned(self, cells: int, there: int, expected: LastSeconds | None = None) -> None:
        with self._lock:
            self._run.plan(cells, there, expected)
            if there:
                self._print(f"{self._mark(Ending.OK)} {there} of {cells} cells already finished")

    def stage(self, cell: str, stage: str) -> None:
        with self._lock:
            self._run.guest(cell).stage = stage

    def view(self, cell: str, view: View) -> None:
        with self._lock:
            self._run.guest(cell).watch(view)

    def held(self, cell: str, seconds: float) -> None:
        with self._lock:
            self._run.guest(cell).held(seconds)

    def finished(self, cell: str, outcome: Outcome) -> None:
        with self._lock:
            seconds = self._run.finish(cell)
            self._run.findings += outcome.ending is Ending.FINDING
            self._run.failures += outcome.ending is Ending.INFRASTRUCTURE
            style = _MARKS[outcome.ending][2]
            text = f"{outcome}: {outcome.detail}" if outcome.detail else str(outcome)
            said = f"{_safe(cell)}  [{style}]{_safe(text)}[/]  {seconds:.1f} s"
            self._print(f"{self._mark(outcome.ending)} {said}")

    def warn(self, text: str) -> None:
        self._print(f"[yellow]warning:[/] {_safe(text)}")

    def result(self, value: Any) -> None:
        pass

    @contextmanager
    def aside(self) -> Iterator[None]:
        with self._lock:
            self._fit_page()
            self._end()
            self._asides += 1
            try:
                yield
            finally:
                self._asides -= 1
                self._draw()

    def _end(self) -> None:
        """Clear the board. A Live that starts again would clear as many lines of others' too."""
        self._live.stop()
        self._live = self._new()
        self._drawn = []

    def _draw(self) -> None:
        """Begin to draw, unless others write; a shell in front of us would be overwritten."""
        if not self._asides and not self._live.is_started and in_foreground(self._console.file):
            self._live.start()

    def _mark(self, ending: Ending) -> str:
        mark, plain, style = _MARKS[ending]
        return f"[{style}]{plain if self._console.options.ascii_only else mark}[/]"

    def _tick(self) -> None:
        with self._lock:
            now = time.monotonic()
            for guest in self._run.guests.values():
                guest.look(now)
            self._draw()
            self._refresh()

    def _refresh(self) -> None:
        if self._live.is_started:
            self._fit_page()
            self._live.refresh()

    def _print(self, markup: str) -> None:
        with self._lock:
            self._fit_page()
            self._said.append(markup)
            self._show(markup)

    def _show(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)

    def _fit_page(self) -> None:
        """Start a new page if the board does not fit its terminal any more.

        Some terminals break long lines again when they become narrower, and others cut them, so
        nobody knows where the board begins. What is on the screen scrolls away, and the newest
        lines are printed again.
        """
        columns, rows = self._console.size
        if not self._live.is_started or not self._drawn:
            return
        if max(map(cell_len, self._drawn)) <= columns and len(self._drawn) < rows:
            return
        self._console.file.write(f"\x1b[{rows};1H" + "\n" * rows + "\x1b[H\x1b[J")
        self._end()
        self._live.start()
        room = rows - len(self._lines()) - 1
        again: list[str] = []
        for markup in reversed(self._said):
            room -= -(-cell_len(Text.from_markup(markup).plain) // columns) or 1
            if room < 0:
                break
            again.insert(0, markup)
        for markup in again:
            self._show(markup)

    def _render(self) -> Group:
        lines = self._drawn = self._lines()
        last = len(lines) - 1 if self._run.cells else len(lines)
        head = len(self._builds)
        styles = {head: "dim", last: "dim"} if self._run.guests else {last: "dim"}
        return Group(
            *(
                Text(line, style=styles.get(n, ""), no_wrap=True, overflow="crop")
                for n, line in enumerate(lines)
            )
        )

    def _lines(self) -> list[str]:
        now = time.monotonic()
        columns, rows = self._console.size
        columns -= 1  # some terminals go to the next line when the last column is written
        lines = [build_line(name, one, now, columns) for name, one in self._builds.items()]
        if self._run.guests:
            lines += guest_lines(self._run.guests, now, columns)
        room = max(1, rows - 2)
        if len(lines) > room:
            lines[room - 1 :] = [f"and {len(lines) - room + 1} more"]
        if self._run.cells:
            lines.append(self._run.status(now, columns))
        if self._console.options.ascii_only:
            lines = [line.replace("…", "~") for line in lines]
        return lines


def _safe(text: str) -> str:
    return escape(printable(text))
