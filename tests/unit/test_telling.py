"""What a board hears of builds: of those that take time, that fail, and that are not needed."""

from __future__ import annotations

from typing import Any

import pytest
from memnotify.errors import InfrastructureError, InputError, MemnotifyError
from memnotify.kernel.compiled import Compiled
from memnotify.kernel.source import UNREACHABLE
from memnotify.report.board import QuietBoard
from memnotify.run.telling import telling


class Heard(QuietBoard):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []

    def building(self, what: str, text: str) -> None:
        self.lines.append((what, text))

    def compiled(self, what: str, compiled: Compiled) -> None:
        self.lines.append((what, str(compiled)))

    def built(self, what: str, text: str) -> None:
        self.lines.append((what, f"built {text}"))

    def failed(self, what: str, text: str) -> None:
        self.lines.append((what, text))


def test_a_build_from_its_first_step_to_its_end() -> None:
    board = Heard()
    with telling("kernel", board=board) as told:
        told.step("unpacking")
        assert told.tell is not None
        told.tell(Compiled(3, 9))
        told.done("0123")
    assert board.lines == [
        ("kernel", "unpacking"),
        ("kernel", "3 of about 9 files compiled"),
        ("kernel", "built 0123, 0.0 s"),
    ]


def test_what_was_there_already_is_not_worth_a_word() -> None:
    board = Heard()
    with telling("kernel", board=board) as told:
        told.done()
    with pytest.raises(InputError), telling("kernel", board=board):
        raise InputError("no such base")
    assert board.lines == []


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (InfrastructureError(UNREACHABLE, "no answer"), "not available"),
        (InfrastructureError("build", "no good"), "failed"),
        (InputError("does not apply"), "failed"),
    ],
)
def test_a_failure_ends_its_row(error: MemnotifyError, how: str) -> None:
    board = Heard()
    with pytest.raises(type(error)), telling("source", board=board) as told:
        told.step("downloading")
        raise error
    assert board.lines[1:] == [("source", f"{how}, 0.0 s")]


def test_without_a_board_there_are_plain_lines() -> None:
    said: list[str] = []
    with telling("kernel", board=None, say=said.append) as told:
        told.step("unpacking")
        assert told.tell is None
        told.done()
    assert said == ["unpacking"]
