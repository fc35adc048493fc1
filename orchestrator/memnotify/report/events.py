"""The progress of a command as JSON lines: one event, one line. docs/reference/events.md.

The fields of an event may become more with the same VERSION, and never fewer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from threading import RLock
from typing import IO, Any, ClassVar, Literal, Self

from memnotify import __version__
from memnotify.guest.view import View
from memnotify.jsontext import dump
from memnotify.kernel.compiled import Compiled
from memnotify.model import Outcome
from memnotify.report.progress import Build, LastSeconds, Run, Ticker

VERSION = 1
_PERIOD_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """`time` is in seconds since 1970."""

    time: float = field(default_factory=lambda: round(time.time(), 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(_Event):
    """The first event. `version` is that of the events, `memnotify` that of the program."""

    event: Literal["begin"] = "begin"
    version: int
    memnotify: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(_Event):
    """Something was decided or done that is neither a build nor a guest, such as the base."""

    event: Literal["note"] = "note"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn(_Event):
    """Something is not as it should be, and the command goes on."""

    event: Literal["warning"] = "warning"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Building(_Event):
    """A step of a build began."""

    event: Literal["building"] = "building"
    what: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFiles(_Event):
    """`files` files of a kernel are compiled, of `of` (null: unknown), or with `most` of fewer."""

    event: Literal["compiled"] = "compiled"
    what: str
    files: int
    of: int | None
    most: bool
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built(_Event):
    """A build is done, or was found in the store. `text` says what it is, for people."""

    event: Literal["built"] = "built"
    what: str
    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFailed(_Event):
    """A build has failed. That need not end the command, which may have another base to try."""

    event: Literal["build-failed"] = "build-failed"
    what: str
    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(_Event):
    """`cells` cells are wanted, `there` of which have results.

    The others take `seconds_left`, one after the other, as long as they took the last time; null if
    none of them has run before.
    """

    event: Literal["planned"] = "planned"
    cells: int
    there: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(_Event):
    """A cell is in another stage: `boot`, `restore`, `run`, or a move of its balloon."""

    event: Literal["stage"] = "stage"
    cell: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Running(_Event):
    """A guest, every two seconds: `guest_seconds` of the scenario's `of` are over.

    `pace` is guest seconds for each second, null until it is known.
    """

    event: Literal["guest"] = "guest"
    cell: str
    guest_seconds: float
    of: float
    pace: float | None
    wakeups: int
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(_Event):
    """A cell has ended; `done` of `cells` cells have. `outcome` is that of `show --json`."""

    event: Literal["finished"] = "finished"
    cell: str
    outcome: str
    detail: str
    seconds: float
    done: int
    cells: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(_Event):
    """The last event of a command that came to its end: `result` is what --json prints."""

    event: Literal["result"] = "result"
    result: Any


Event = (
    Begin
    | Note
    | Warn
    | Building
    | CompiledFiles
    | Built
    | BuildFailed
    | Planned
    | Stage
    | Running
    | Finished
    | Result
)


class JsonBoard:
    """Writes the events of a command to a file."""

    version: ClassVar[int] = VERSION

    def __init__(self, file: IO[str], *, command: str) -> None:
        self._file = file
        self._command = command
        self._builds: dict[str, Build] = {}
        self._run = Run()
        self._lock = RLock()
        self._ticker = Ticker(self._tick, seconds=_PERIOD_SECONDS)

    def __enter__(self) -> Self:
        self._write(Begin(version=VERSION, memnotify=__version__, command=self._command))
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.stop()

    def note(self, text: str) -> None:
        self._write(Note(text=text))

    def building(self, what: str, text: str) -> None:
        with self._lock:
            self._builds.setdefault(what, Build(time.monotonic()))
            self._write(Building(what=what, step=text))

    def compiled(self, what: str, compiled: Compiled) -> None:
        with self._lock:
            now = time.monotonic()
            build = self._builds.setdefault(what, Build(now))
            build.count(compiled, now)
            left = _rounded(build.seconds_left(now))
            self._write(CompiledFiles(what=what, **asdict(compiled), seconds_left=left))

    def built(self, what: str, text: str) -> None:
        self._write(Built(what=what, text=text, seconds=self._end(what)))

    def failed(self, what: str, text: str) -> None:
        self._write(BuildFailed(what=what, text=text, seconds=self._end(what)))

    def planned(self, cells: int, there: int, expected: LastSeconds | None = None) -> None:
        with self._lock:
            self._run.plan(cells, there, expected)
            left = self._left()
            self._write(Planned(cells=cells, there=there, seconds_left=left))

    def stage(self, cell: str, stage: str) -> None:
        with self._lock:
            self._run.guest(cell).stage = stage
            self._write(Stage(cell=cell, stage=stage))

    def view(self, cell: str, view: View) -> None:
        with self._lock:
            self._run.guest(cell).watch(view)

    def finished(self, cell: str, outcome: Outcome) -> None:
        with self._lock:
            seconds = self._run.finish(cell)
            event = Finished(
                cell=cell,
                outcome=str(outcome),
                detail=outcome.detail,
                seconds=round(seconds, 3),
                done=self._run.done,
                cells=self._run.cells,
                seconds_left=self._left(),
            )
            self._write(event)

    def held(self, cell: str, seconds: float) -> None:
        with self._lock:
            self._run.guest(cell).held(seconds)

    def warn(self, text: str) -> None:
        self._write(Warn(text=text))

    def result(self, value: Any) -> None:
        self._write(Result(result=value))

    @contextmanager
    def aside(self) -> Iterator[None]:
        yield

    def _end(self, what: str) -> float:
        with self._lock:
            build = self._builds.pop(what, None)
            return 0.0 if build is None else round(time.monotonic() - build.since, 3)

    def _left(self) -> float | None:
        return _rounded(self._run.seconds_left(time.monotonic()))

    def _tick(self) -> None:
        with self._lock:
            now = time.monotonic()
            for cell, guest in self._run.guests.items():
                before = guest.seen
                guest.look(now)
                seen = guest.seen
                if seen is None or seen is before or guest.view is None:
                    continue
                event = Running(
                    cell=cell,
                    guest_seconds=round(seen.guest_s, 3),
                    of=seen.of_s,
                    pace=_rounded(guest.rate),
                    wakeups=seen.wakeups,
                    findings=tuple(map(str, seen.findings)),
                )
                self._write(event)

    def _write(self, event: Event) -> None:
        with self._lock:
            row = {one.name: getattr(event, one.name) for one in fields(event)}
            self._file.write(dump({"event": event.event, **row}, indent=None) + "\n")
            self._file.flush()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
