"""Progress of a run: a live board on a terminal, timestamped lines anywhere else.

`report/live.py` is the live one; `report/events.py` writes the same for programs.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console

from memnotify.guest.view import View
from memnotify.kernel.compiled import Compiled
from memnotify.model import Outcome
from memnotify.report.progress import LastSeconds
from memnotify.text import counted, printable

if TYPE_CHECKING:
    from memnotify.report.live import LiveBoard

_COMPILED_EVERY = 30.0
"""Seconds between two lines about the same build: some CI services end a silent job."""

_MOVES = "balloon"
"""How the stages begin that are moves of the balloon, after each of which the guest runs on."""


class Board(Protocol):
    """The receiver of a run's progress. Texts may come from a guest, and are shown literally."""

    def note(self, text: str) -> None:
        """Something was decided or done that is neither a build nor a guest, such as the base."""

    def building(self, what: str, text: str) -> None:
        """A kernel or an image is being built; `text` is the current step."""

    def compiled(self, what: str, compiled: Compiled) -> None:
        """So much of a kernel is compiled."""

    def built(self, what: str, text: str) -> None: ...

    def failed(self, what: str, text: str) -> None:
        """A build has failed, which need not end the run."""

    def planned(self, cells: int, there: int, expected: LastSeconds | None = None) -> None:
        """`cells` cells are wanted, `there` of which already have results.

        `expected` has the others, with the seconds that each took the last time, if ever.
        """

    def stage(self, cell: str, stage: str) -> None: ...

    def view(self, cell: str, view: View) -> None:
        """A cell's guest can be watched through `view`, until it ends; nobody has to."""

    def held(self, cell: str, seconds: float) -> None:
        """A cell's guest was held for so long, which does not count as the cell's time."""

    def finished(self, cell: str, outcome: Outcome) -> None: ...

    def warn(self, text: str) -> None: ...

    def result(self, value: Any) -> None:
        """The command has this result, as `--json` prints it."""

    def aside(self) -> AbstractContextManager[None]:
        """Return a context in which others may write to the terminal."""


def open_board(console: Console) -> LiveBoard | LineBoard:
    """Return the board that suits a console; use it as a context manager."""
    if not console.is_terminal or console.is_dumb_terminal:
        return LineBoard(console)
    # Imported here, because it is only needed on a terminal.
    from memnotify.report.live import LiveBoard

    return LiveBoard(console)


class QuietBoard:
    """Nothing but warnings, on stderr; not even those with `silent`."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def building(self, what: str, text: str) -> None:
        pass

    def compiled(self, what: str, compiled: Compiled) -> None:
        pass

    def built(self, what: str, text: str) -> None:
        pass

    def failed(self, what: str, text: str) -> None:
        pass

    def planned(self, cells: int, there: int, expected: LastSeconds | None = None) -> None:
        pass

    def stage(self, cell: str, stage: str) -> None:
        pass

    def view(self, cell: str, view: View) -> None:
        pass

    def held(self, cell: str, seconds: float) -> None:
        pass

    def finished(self, cell: str, outcome: Outcome) -> None:
        pass

    def warn(self, text: str) -> None:
        if not self._silent:
            print(f"warning: {printable(text)}", file=sys.stderr, flush=True)

    def result(self, value: Any) -> None:
        pass

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


class LineBoard(QuietBoard):
    """One line for each cell and stage, and for each step of a build."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._cells = self._done = 0
        self._stages: dict[str, set[str]] = {}
        self._compiled: dict[str, float] = {}

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def building(self, what: str, text: str) -> None:
        self._line(f"{what}: {text}")

    def compiled(self, what: str, compiled: Compiled) -> None:
        now = time.monotonic()
        if now - self._compiled.get(what, -_COMPILED_EVERY) >= _COMPILED_EVERY:
            self._compiled[what] = now
            self._line(f"{what}: {compiled}")

    def built(self, what: str, text: str) -> None:
        self._line(f"{what}: {text}")

    def failed(self, what: str, text: str) -> None:
        self._line(f"{what}: {text}")

    def planned(self, cells: int, there: int, expected: LastSeconds | None = None) -> None:
        self._cells, self._done = cells, there
        self._line(f"{counted(cells, 'cell')}, {there} of them already finished")

    def stage(self, cell: str, stage: str) -> None:
        entered = self._stages.setdefault(cell, set())
        if not stage.startswith(_MOVES) and stage not in entered:
            entered.add(stage)
            self._line(f"{cell}: {stage}")

    def finished(self, cell: str, outcome: Outcome) -> None:
        self._stages.pop(cell, None)
        self._done += 1
        count = f"[{self._done}/{self._cells}]"
        self._line(f"{count} {cell}: {outcome}{': ' + outcome.detail if outcome.detail else ''}")

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        now = time.strftime("%H:%M:%S")
        for line in text.splitlines():
            self._console.out(f"{now} {printable(line)}", highlight=False)
