"""Hunks as they stand, by their markers and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.raw import Line, RawDiff, RawHunk
from memnotify.mailpatch.reading import LineKind
from memnotify.mailpatch.standing import (
    above_a_message,
    end_of,
    ends_clearly,
    is_whole,
    own_lines,
    standing,
    swapped,
)

BODY = [" one", "-two", "+2", "+two and a half", " three"]
TREE = ["zero", "one", "two", "three", "four"]
WIDE = f"+{'w' * 70}"


def hunk(
    body: list[str], olds: int = 3, news: int = 4, *, final: bool = False, outside: int = -1
) -> RawHunk:
    lines = tuple(
        Line(number=5 + at, text=text, outside=at == outside) for at, text in enumerate(body)
    )
    return RawHunk(
        line=4,
        old_start=2,
        old_count=olds,
        new_start=7,
        new_count=news,
        section="f()",
        body=lines,
        last=True,
        final=final,
    )


@pytest.mark.parametrize(
    ("given", "end"),
    [
        (hunk(BODY), 5),
        (hunk([*BODY, ""]), 5),
        (hunk([*BODY, "-- ", "2.1"]), 5),
        (hunk([*BODY, "a message"]), 5),
        (hunk([*BODY, "   "]), 5),
        (hunk([*BODY, "\\ No newline at end of file", "x"]), 6),
        (hunk([*BODY[:3], "\\ No newline at end of file", *BODY[3:]]), 6),
        # A line with a marker goes on with it, unless it is a comment in a reply.
        (hunk([*BODY, " four"]), None),
        (hunk([*BODY, "+four"]), None),
        (hunk([*BODY, "-four"]), None),
        (hunk([*BODY, "+four"], outside=5), 5),
        (hunk(BODY, outside=2), None),
        # An empty line is context of which a mailer has taken the blank.
        (hunk(["", "-two", "+2", "+", "\r"]), 5),
        (hunk(["one", *BODY[1:]]), None),
        (hunk(["\tone", *BODY[1:]]), None),
        (hunk(BODY, 4, 4), None),
        (hunk(BODY, 3, 5), None),
        (hunk(BODY, 3, 3), None),
        (hunk(BODY, 2, 4), None),
        (hunk([" one", " two"], 2, 2), None),  # it changes nothing
        (hunk(["+one"], 0, 1), 1),
        (hunk(["-one"], 1, 0), 1),
        # The end of the text is no empty line.
        (hunk([" one", "+two", ""], 2, 3), 3),
        (hunk([" one", "+two", ""], 2, 3, final=True), None),
        (hunk([" one", "+two", " "], 2, 3, final=True), 3),
        (hunk(["+two", ""], 0, 1, final=True), 1),
    ],
)
def test_where_a_hunk_ends(given: RawHunk, end: int | None) -> None:
    assert end_of(given) == end


@pytest.mark.parametrize(
    ("given", "clearly"),
    [
        (hunk(BODY), True),
        (hunk([*BODY, ""]), True),
        (hunk([*BODY, "", "a message"]), True),
        (hunk([*BODY, "the rest of a line"]), False),
        (hunk(BODY, 4, 4), False),
    ],
)
def test_a_hunk_ends_clearly_if_nothing_is_directly_below_it(given: RawHunk, clearly: bool) -> None:
    assert ends_clearly(given) is clearly


def diff(*hunks: RawHunk, line: int = 1) -> RawDiff:
    return RawDiff(line=line, before="a/f", after="b/f", extended=(), hunks=hunks)


@pytest.mark.parametrize(
    ("body", "width", "whole"),
    [
        ([WIDE], 60, True),
        ([WIDE, "rest"], 60, False),
        ([WIDE, "rest"], 75, False),
        ([WIDE, "rest"], 76, True),  # the word has room
        ([WIDE, ""], 60, True),
        ([WIDE, "-- "], 60, True),
        ([f"-{'w' * 70}", "rest"], 60, True),  # only the tree knows how an old line goes on
    ],
)
def test_a_hunk_is_whole_if_no_line_was_wrapped(body: list[str], width: int, whole: bool) -> None:
    given = hunk(body, int(body[0][0] == "-"), int(body[0][0] == "+"))
    assert is_whole(diff(hunk(BODY), given), width) == whole
    assert (standing(given, FileIndex(["w" * 70]), start=0, after=0, width=width) is None) != whole


def test_a_diff_is_not_whole_if_one_hunk_is_not() -> None:
    assert not is_whole(diff(hunk(BODY[:4]), hunk(BODY)), 80)


def test_a_hunk_stands_where_the_tree_has_its_old_lines() -> None:
    index = FileIndex(TREE)
    found = standing(hunk([*BODY, "-- "]), index, start=1, after=1, width=80)
    assert found is not None
    assert (found.start, found.cost, found.counted, found.stands) == (1, 0, True, True)
    assert [(part.kind, part.tree) for part in found.parts] == [
        (LineKind.CONTEXT, 1),
        (LineKind.REMOVED, 2),
        (LineKind.ADDED, None),
        (LineKind.ADDED, None),
        (LineKind.CONTEXT, 3),
    ]
    assert [line.text for part in found.parts for line in part.mail] == BODY
    assert [line.text for line in found.rest] == ["-- "]
    for start, after in ((0, 0), (2, 0), (1, 2), (3, 0), (5, 0)):
        assert standing(hunk(BODY), index, start=start, after=after, width=80) is None
    assert standing(hunk(BODY[:4]), index, start=1, after=0, width=80) is None


def test_that_a_line_has_no_end_is_no_line_of_the_tree() -> None:
    body = ["-four", "\\ No newline at end of file", "+4"]
    found = standing(hunk(body, 1, 1), FileIndex(TREE), start=4, after=0, width=80)
    assert found is not None
    assert [part.kind for part in found.parts] == [
        LineKind.REMOVED,
        LineKind.SKIPPED,
        LineKind.ADDED,
    ]


@pytest.mark.parametrize(
    ("tree", "line", "fits"),
    [
        ("int\tx;", " int x;", True),
        ("é", " é", True),
        ("é", " ?", True),  # what an archive has made of it
        ("é", " \ufffd", True),
        ("é", " è", False),
        ("é x", " \ufffdx", True),
    ],
)
def test_white_space_and_lost_letters_are_no_other_line(tree: str, line: str, fits: bool) -> None:
    given = hunk([line, "+new"], 1, 2)
    assert (standing(given, FileIndex([tree]), start=0, after=0, width=80) is not None) == fits


def test_a_swapped_hunk_undoes_the_other() -> None:
    back = swapped(hunk(BODY))
    assert [line.text for line in back.body] == [" one", "+two", "-2", "-two and a half", " three"]
    assert (back.old_start, back.old_count, back.new_start, back.new_count) == (7, 4, 2, 3)
    assert swapped(back) == hunk(BODY)
    assert [line.text for line in swapped(hunk(["", "\\ No newline"])).body] == [
        "",
        "\\ No newline",
    ]


SIGNED = [*BODY, "-- ", "2.1"]


@pytest.mark.parametrize(
    ("given", "own"),
    [
        (hunk(BODY), BODY),
        (hunk(SIGNED), BODY),
        (hunk([*BODY, "", *SIGNED[5:]]), BODY),
        # The counts are wrong: a footer ends it, if there are no changes below.
        (hunk(SIGNED, 4, 5), BODY),
        (hunk([*BODY, "_____", "lamps"], 4, 5), BODY),
        (hunk([*BODY, "---", "lamps", *SIGNED[5:]], 4, 5), [*BODY, "---", "lamps"]),
        (hunk(["one", "---", "+2", "three"], 3, 3), ["one", "---", "+2", "three"]),
        (hunk(["one", "two", "___"], 3, 3), ["one", "two", "___"]),
        (hunk(["one", "-----", "two"], 3, 3), ["one"]),
        (hunk(["-----"], 3, 3), []),
        (hunk(["_____", "lamps"], 3, 3), []),
        (hunk([], 3, 3), []),
        (replace(hunk(SIGNED, 4, 5), last=False), SIGNED),
        (replace(hunk(SIGNED), last=False), BODY),
    ],
)
def test_a_signature_is_no_line_of_a_hunk(given: RawHunk, own: list[str]) -> None:
    assert [line.text for line in own_lines(given)] == own
    rest = [line.text for line in given.body[len(own) :]]
    back = swapped(given)
    assert [line.text for line in back.body[len(own) :]] == rest
    assert swapped(back) == given


def test_a_diff_above_the_end_of_a_message() -> None:
    shown = diff(hunk([*BODY, "", "---", ""]), line=3)
    own = diff(hunk(BODY), line=20)
    assert above_a_message([shown, own]) == 3
    assert above_a_message([own, shown, own]) == 3
    assert above_a_message([own, own]) is None
    assert above_a_message([shown]) is None
    assert above_a_message([own, shown]) is None
    moved = replace(own, hunks=())
    assert above_a_message([moved, shown, own]) == 3
    assert above_a_message([diff(hunk([*BODY[:4], "---"])), own]) is None
    assert above_a_message([diff(hunk(BODY), hunk([*BODY, "--- "]), line=7), own]) == 7
