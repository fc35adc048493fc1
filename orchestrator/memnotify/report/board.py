"""Progress of a run: a live board on a terminal, timestamped lines anywhere else.

Finished items scroll away above the board, so nothing is lost and the board is only as large as the
number of running guests.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from memnotify.model import Ending, Outcome
from memnotify.text import counted, printable


class Board(Protocol):
    """The receiver of a run's progress. Texts may come from a guest, and are shown literally."""

    def building(self, what: str, text: str) -> None:
        """A kernel or an image is being built; `text` is the current step."""

    def built(self, what: str, text: str) -> None: ...

    def planned(self, cells: int, there: int) -> None:
        """`cells` cells are wanted, `there` of which already have results."""

    def stage(self, cell: str, stage: str) -> None: ...

    def finished(self, cell: str, outcome: Outcome) -> None: ...

    def warn(self, text: str) -> None: ...


_MARKS = {
    Ending.OK: ("✓", "green"),
    Ending.FINDING: ("●", "yellow"),
    Ending.INFRASTRUCTURE: ("✗", "red"),
}


def open_board(console: Console) -> LiveBoard | LineBoard:
    """Return the board that suits a console; use it as a context manager."""
    return LiveBoard(console) if console.is_terminal else LineBoard(console)


class LineBoard:
    """One line per event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._cells = self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def building(self, what: str, text: str) -> None:
        self._line(f"{what}: {text}")

    def built(self, what: str, text: str) -> None:
        self._line(f"{what}: {text}")

    def planned(self, cells: int, there: int) -> None:
        self._cells, self._done = cells, there
        self._line(f"{counted(cells, 'cell')}, {there} of them already finished")

    def stage(self, cell: str, stage: str) -> None:
        self._line(f"{cell}: {stage}")

    def finished(self, cell: str, outcome: Outcome) -> None:
        self._done += 1
        count = f"[{self._done}/{self._cells}]"
        self._line(f"{count} {cell}: {outcome}{': ' + outcome.detail if outcome.detail else ''}")

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        now = time.strftime("%H:%M:%S")
        for line in text.splitlines():
            self._console.out(f"{now} {printable(line)}", highlight=False)


class LiveBoard:
    """A region at the bottom of the terminal: builds, then running guests."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._builds: dict[str, tuple[str, float]] = {}
        self._stages: dict[str, tuple[str, float]] = {}
        self._cells = self._done = 0
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def building(self, what: str, text: str) -> None:
        _, since = self._builds.get(what, ("", time.monotonic()))
        self._builds[what] = (text, since)

    def built(self, what: str, text: str) -> None:
        self._builds.pop(what, None)
        self._print(f"[green]✓[/] {_safe(what)}: {_safe(text)}")

    def planned(self, cells: int, there: int) -> None:
        self._cells, self._done = cells, there
        if there:
            self._print(f"[green]✓[/] {there} of {cells} cells already finished")

    def stage(self, cell: str, stage: str) -> None:
        _, since = self._stages.get(cell, ("", time.monotonic()))
        self._stages[cell] = (stage, since)

    def finished(self, cell: str, outcome: Outcome) -> None:
        _, since = self._stages.pop(cell, ("", time.monotonic()))
        self._done += 1
        mark, style = _MARKS[outcome.ending]
        text = f"{outcome}: {outcome.detail}" if outcome.detail else str(outcome)
        seconds = time.monotonic() - since
        self._print(f"[{style}]{mark}[/] {_safe(cell)}  [{style}]{_safe(text)}[/]  {seconds:.1f} s")

    def warn(self, text: str) -> None:
        self._print(f"[yellow]warning:[/] {_safe(text)}")

    def _print(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)

    def _render(self) -> Group:
        now = time.monotonic()
        rows = Table.grid(padding=(0, 2))
        for name, (text, since) in [*self._builds.items(), *self._stages.items()]:
            rows.add_row(
                self._spinner, Text(printable(name)), Text(printable(text)), f"{now - since:4.0f} s"
            )
        if not self._cells:
            return Group(rows)
        queued = self._cells - self._done - len(self._stages)
        counts = f"{self._done} of {self._cells} done, {len(self._stages)} running, {queued} queued"
        return Group(rows, Text(counts, style="dim"))


def _safe(text: str) -> str:
    return escape(printable(text))
