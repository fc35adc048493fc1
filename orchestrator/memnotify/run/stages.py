"""How long each stage of a first run takes: fetching, building, running.

The Makefile writes the same lines about what it installs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import read_text, refuse_as_result, refuse_special, writing
from memnotify.model import KernelRequest

Timed = Callable[[str], AbstractContextManager[None]]
SOURCE, IMAGE, GUESTS = "source", "image", "guests"


def kernel_stage(request: KernelRequest) -> str:
    """Return the name of the stage in which a kernel is built."""
    words = ("kernel", request.series, request.variant, *request.options)
    return " ".join(filter(None, words))


def untimed(name: str) -> AbstractContextManager[None]:
    """Measure nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: when it first began and last ended, in seconds since the epoch, and what it took.

    What it took is less than the time between if it was entered several times.
    """

    name: str
    began: float
    ended: float
    seconds: float


def timed_in(file: Path) -> Timed:
    """Return a function (name) whose context adds a line to a file: name, begin, end.

    Makes the file if it does not exist. Raises InputError, before any work, if that is not possible
    or if the file holds something else.
    """
    refuse_as_result(file)
    refuse_special(file)
    with writing(file):
        file.open("a", encoding="utf-8").close()
    read_stages(file)

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.time()
        try:
            yield
        finally:
            with writing(file), file.open("a", encoding="utf-8") as lines:
                lines.write(f"{name}\t{began:.3f}\t{time.time():.3f}\n")

    return timed


def read_stages(file: Path) -> list[Stage]:
    """Return the stages in a file, in the order in which they first began.

    One that was entered several times has the sum of its times. Raises InputError.
    """
    found: dict[str, Stage] = {}
    try:
        for line in read_text(file).splitlines():
            name, began, ended = line.split("\t")
            stage = Stage(name, float(began), float(ended), float(ended) - float(began))
            known = found.get(name)
            if known is not None:
                stage = Stage(
                    name,
                    min(known.began, stage.began),
                    max(known.ended, stage.ended),
                    known.seconds + stage.seconds,
                )
            found[name] = stage
    except ValueError:
        message = "not a file of stages: a line must have a name and two times"
        raise InputError(message, file=file) from None
    return sorted(found.values(), key=lambda stage: stage.began)


def stage_lines(stages: list[Stage]) -> list[str]:
    """Return a line for each stage, and one for all: they may have been side by side."""
    if not stages:
        return []
    width = max(len(stage.name) for stage in stages)
    first = stages[0].began
    last = max(stage.ended for stage in stages)
    return [
        f"{'stage':{width}}  began s  took s",
        *(f"{s.name:{width}} {s.began - first:8.1f} {s.seconds:7.1f}" for s in stages),
        f"{'all':{width}} {0:8.1f} {last - first:7.1f}",
    ]
