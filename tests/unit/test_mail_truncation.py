"""What the counts, the next hunk and the diffstat say about lines that a mail lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memnotify.mailpatch.raw import Line, RawHunk
from memnotify.mailpatch.reading import LineKind, Part, Reading
from memnotify.mailpatch.truncation import (
    Diffstat,
    counts_told,
    cut_hunk,
    lines_lacking,
    tallies,
)

KINDS = {"+": LineKind.ADDED, "-": LineKind.REMOVED, " ": LineKind.CONTEXT, "x": LineKind.SKIPPED}


def hunk(
    olds: int, news: int, body: list[str] | None = None, *, old: int = 10, new: int = 10
) -> RawHunk:
    lines = tuple(Line(number=5 + at, text=text) for at, text in enumerate(body or []))
    return RawHunk(
        line=4,
        old_start=old,
        old_count=olds,
        new_start=new,
        new_count=news,
        section="",
        body=lines,
        last=True,
    )


def reading(signs: str, rest: tuple[str, ...] = ()) -> Reading:
    parts = tuple(Part(kind=KINDS[sign], mail=(Line(number=1, text=sign),)) for sign in signs)
    left = tuple(Line(number=9, text=text) for text in rest)
    return Reading(start=0, parts=parts, cost=0, counted=False, rest=left)


CONTEXT = [" a", " b", " c"]


@pytest.mark.parametrize(
    ("olds", "news", "body", "said"),
    [
        # At the end of the text, every line that the new file has must be there, if it is new.
        (0, 3, ["+a", "+b", "+c"], None),
        (0, 4, ["+a", "+b", "+c"], "3 of 4 lines are there"),
        (0, 4, ["+a", "+b", "+c", ""], "3 of 4 lines are there"),
        # The last line end of the text makes an empty line; others may be lines of the hunk.
        (0, 4, ["+a", "+b", "", ""], "3 of 4 lines are there"),
        (0, 5, ["+a", "+b", "", "", "-- ", "2.1"], None),
        (0, 6, ["+a", "+b", "", "", "-- ", "2.1"], None),
        (0, 7, ["+a", "+b", "", "", "-- ", "2.1"], "4 of 7 lines are there"),
        # A patch edited by hand is off by two at most, and keeps the old lines.
        (3, 5, [*CONTEXT], None),
        (3, 6, [*CONTEXT], "3 of 6 lines are there"),
        (4, 4, [*CONTEXT], "3 of 4 lines are there"),
        (5, 5, [*CONTEXT, "_____"], None),
        (6, 5, [*CONTEXT, "_____"], "3 of 6 lines are there"),
        (6, 1, [*CONTEXT, "_____"], "3 of 6 lines are there"),
        (4, 3, [*CONTEXT, "-d"], None),
        (4, 6, [*CONTEXT, "-d"], "3 of 6 lines are there"),
        # Where the blanks before context are gone, a line with - may be context.
        (4, 6, ["a", "b", "c", "-d"], None),
        # An empty line at the end may be lost as well.
        (5, 4, ["a", "b", "c", "-d"], None),
        (6, 4, ["a", "b", "c", "-d"], "4 of 6 lines are there"),
        (5, 4, [" a", " b", " c", "-d"], "4 of 5 lines are there"),
        (4, 7, ["a", "b", "c", "-d"], "4 of 7 lines are there"),
        (4, 6, ["\ta", "b", "c", "-d"], "3 of 6 lines are there"),
        (3, 6, [*CONTEXT, "+d"], None),
        (3, 5, [" a", " b", "+x", "+y", "+z"], "2 of 3 lines are there"),
    ],
)
def test_lines_of_a_hunk_that_could_not_be_read(
    olds: int, news: int, body: list[str], said: str | None
) -> None:
    assert cut_hunk(hunk(olds, news, body), None, followed=False) == said


@pytest.mark.parametrize(
    ("olds", "news", "body", "said"),
    [
        (3, 3, CONTEXT, None),
        (2, 2, CONTEXT, None),
        (3, 4, CONTEXT, "3 of 4 lines are there"),
        (4, 3, CONTEXT, "3 of 4 lines are there"),
        # A lone - is an empty line that is removed, unless a list's footer follows it.
        (4, 3, [*CONTEXT, "-"], None),
        (4, 3, [*CONTEXT, "-", "", "To unsubscribe from this list"], "3 of 4 lines are there"),
        (4, 3, [*CONTEXT, "-", "To unsubscribe from this list"], "3 of 4 lines are there"),
        (4, 3, [*CONTEXT, "-- ", "2.1"], "3 of 4 lines are there"),
    ],
)
def test_lines_that_the_mail_lacks(olds: int, news: int, body: list[str], said: str | None) -> None:
    assert lines_lacking(hunk(olds, news, body)) == said


UNENDED = "\\ No newline at end of file"


@pytest.mark.parametrize(
    ("olds", "news", "body", "final", "last", "whole"),
    [
        (3, 3, ["a", "-b", "+c", "d"], False, True, True),
        (3, 3, ["a", "-b", "+c"], False, True, False),
        (3, 2, ["a", "-b", "+c"], False, True, False),
        (2, 3, ["a", "-b", "+c"], False, True, False),
        (1, 1, ["-a", UNENDED, "+b", UNENDED], False, True, True),
        (2, 2, ["-a", "\\", "+b"], False, True, True),
        # The line end of the text's last line is no line, and a line below a hunk may be none.
        (1, 1, ["-a", "+b", ""], True, True, True),
        (1, 1, ["-a", "+b", ""], False, True, False),
        (2, 2, ["-a", "+b", ""], False, True, False),
        (2, 2, ["-a", "+b", "  "], False, True, False),
        (2, 2, ["-a", "+b", ""], False, False, True),
        (2, 2, ["-a", "+b", "", ""], True, True, False),
        (2, 2, ["", "-a", "+b"], True, True, True),
        (0, 0, [], True, True, True),
    ],
)
def test_whether_a_hunk_has_all_its_lines(
    olds: int, news: int, body: list[str], final: bool, last: bool, whole: bool
) -> None:
    assert tallies(replace(hunk(olds, news, body), final=final, last=last)) is whole


@pytest.mark.parametrize(
    ("olds", "news", "signs", "rest", "followed", "said"),
    [
        (3, 3, "   ", (), False, None),
        (2, 4, "  x+", (), False, None),
        (3, 6, "  x+", (), False, "3 of 6 lines are there"),
        (2, 5, "  -+", (), False, None),
        (3, 5, "  -+", (), False, None),
        (3, 6, "  -+", (), False, "3 of 6 lines are there"),
        (4, 3, "  -+", (), False, "3 of 4 lines are there"),
        (4, 3, "  -+", ("",), False, "3 of 4 lines are there"),
        (4, 3, "  -+", ("-- ",), False, None),
        (5, 3, "  -+", ("", "-- "), False, None),
        (6, 3, "  -+", ("-- ",), False, "3 of 6 lines are there"),
        (5, 3, "  -+", (), True, None),
        (6, 3, "  -+", (), True, "3 of 6 lines are there"),
        (0, 3, "+", (), True, None),
        (0, 2, "+", (), False, "1 of 2 lines are there"),
    ],
)
def test_lines_of_a_hunk_that_was_read(
    olds: int, news: int, signs: str, rest: tuple[str, ...], followed: bool, said: str | None
) -> None:
    assert cut_hunk(hunk(olds, news), reading(signs, rest), followed=followed) == said


@pytest.mark.parametrize(
    ("hunks", "stated", "told", "disputed"),
    [
        # The diffstat agrees with the lines that are there, or with the header.
        ([(hunk(2, 4), " +")], 1, [True], False),
        ([(hunk(1, 3), " +")], 2, [False], False),
        ([(hunk(1, 3), " +")], 3, [None], True),
        ([(hunk(1, 3), " +")], 4, [None], True),
        ([(hunk(1, 3), " +")], None, [None], False),
        ([(hunk(2, 1), " ")], 1, [False], False),  # one line was removed, and is lost
        ([(hunk(2, 2), " ")], 2, [False], False),  # as many old lines, that were replaced
        ([(hunk(2, 2), " ")], 1, [None], True),
        ([(hunk(2, 2), " ")], 4, [None], True),
        ([(hunk(3, 3), " ")], 4, [False], False),
        ([(hunk(3, 3), " ")], 6, [None], True),
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=29), " ")], 1, [True, True], True),
        # So does where the next hunk begins.
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=21), " ")], None, [True, None], False),
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=22), " ")], None, [False, None], False),
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=23), " ")], None, [None, None], True),
        ([(hunk(1, 2), " +"), (hunk(1, 1, old=20, new=21), " ")], None, [None, None], False),
        (
            [(hunk(1, 3, old=10, new=15), " +"), (hunk(1, 1, old=20, new=26), " ")],
            None,
            [True, None],
            False,
        ),
        (
            [
                (hunk(1, 3), " +"),
                (hunk(1, 1, old=20, new=21), " "),
                (hunk(1, 1, old=30, new=32), " "),
            ],
            None,
            [True, None, None],
            True,
        ),
        (
            [
                (hunk(1, 3), " +"),
                (hunk(1, 1, old=20, new=29), " "),
                (hunk(1, 1, old=30, new=39), " "),
            ],
            None,
            [None, None, None],
            True,
        ),
        ([(hunk(3, 3), " "), (hunk(1, 1, old=20, new=20), " ")], 4, [False, False], False),
        # Both together: they agree, or not.
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=21), " ")], 1, [True, True], False),
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=22), " ")], 1, [None, True], False),
        ([(hunk(1, 3), " +"), (hunk(1, 1, old=20, new=22), " ")], 2, [False, False], False),
        # Lines at 0 are before line 1, in a file that has none.
        (
            [(hunk(0, 1, old=0, new=1), "+"), (hunk(1, 1, old=1, new=2), " ")],
            1,
            [True, True],
            False,
        ),
        (
            [(hunk(1, 0, old=1, new=0), "-"), (hunk(1, 1, old=2, new=1), " ")],
            1,
            [True, True],
            False,
        ),
    ],
)
def test_what_confirms_the_lines_of_a_hunk(
    hunks: list[tuple[RawHunk, str]], stated: int | None, told: list[bool | None], disputed: bool
) -> None:
    given = [(raw, reading(signs)) for raw, signs in hunks]
    assert counts_told(given, stated) == (told, disputed)


STAT = [
    "A message | of a mail",
    "",
    " mm/vmscan.c |   12 ++++++------",
    "> .../linux/mem_notify.h | 3 +++",
    ' "a b.c" | 1 +',
    " 3 files changed, 10 insertions(+), 5 deletions(-)",
]


def test_a_diffstat_is_read_in_any_quoting() -> None:
    stat = Diffstat.of([*STAT[:4], STAT[5]])
    assert stat == Diffstat({"mm/vmscan.c": 12, "linux/mem_notify.h": 3}, 3, 15)
    assert Diffstat.of([STAT[2], " 1 file changed, 7 insertions(+)"]).changed == 7
    assert Diffstat.of([STAT[2], " 1 file changed, 7 deletions(-)"]).changed == 7
    assert Diffstat.of([STAT[2], " 1 file changed"]) == Diffstat({"mm/vmscan.c": 12}, 1, 0)
    assert Diffstat.of([STAT[2]]) == Diffstat({"mm/vmscan.c": 12}, None, 0)
    assert Diffstat.of([]) == Diffstat({}, None, 0)


def test_the_lines_of_a_file_are_known_if_the_totals_agree() -> None:
    stat = Diffstat({"mm/a.c": 12, "linux/b.h": 3}, 2, 15)
    assert stat.lines_of("mm/a.c") == 12
    assert stat.lines_of("include/linux/b.h") == 3  # of which it omits the first folder
    assert stat.lines_of("mm/b.h") is None
    assert Diffstat(stat.rows, 3, 15).lines_of("mm/a.c") is None
    assert Diffstat(stat.rows, 2, 16).lines_of("mm/a.c") is None
    assert Diffstat({"a.c": 1, "mm/a.c": 2}, 2, 3).lines_of("mm/a.c") is None


def test_files_of_the_diffstat_without_a_diff() -> None:
    stat = Diffstat({"mm/a.c": 12, "linux/b.h": 3}, 2, 15)
    assert stat.without_diff(["mm/a.c", "include/linux/b.h"]) == []
    assert stat.without_diff(["mm/a.c"]) == ["linux/b.h"]
    assert stat.without_diff([]) == ["mm/a.c", "linux/b.h"]
    assert Diffstat(stat.rows, None, 0).without_diff([]) == []
