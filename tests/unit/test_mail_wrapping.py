"""Which lines may be the rest of others, and why a hunk does not fit."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.headers import is_dateless
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.misfit import misfit
from memnotify.mailpatch.raw import Line, RawHunk
from memnotify.mailpatch.wrapping import ends_section, has_room, is_complete, may_be_of_header

LONG = "+\tlamps_of_the_hall_and_of_the_attic(lamp, BRIGHT, in_the_cellar,"


def hunk(body: list[str], olds: int = 3, news: int = 3, section: str = "") -> RawHunk:
    return RawHunk(
        line=1,
        old_start=10,
        old_count=olds,
        new_start=10,
        new_count=news,
        section=section,
        body=tuple(Line(number=2 + at, text=text) for at, text in enumerate(body)),
        last=True,
    )


@pytest.mark.parametrize(
    ("line", "rest", "room"),
    [
        (LONG, "hall);", False),
        ("+\tx = 1;", "y = 2;", True),
        ("+\t" + "x" * 26, "y" * 6, False),  # 34, a blank and 6 more are 41 columns
        ("+\t" + "x" * 26, "y" * 5, True),
        ("+\t" + "x" * 26 + "   ", "y" * 5, True),
        ("+", "x" * 70, True),  # nothing is wrapped off an empty line
        ("+\t", "x" * 70, True),
        (LONG, "", True),
    ],
)
def test_a_line_has_room_for_the_next_word(line: str, rest: str, room: bool) -> None:
    assert has_room(line, rest) is room


@pytest.mark.parametrize(
    ("line", "rest", "ended"),
    [
        ("+\tx = 1;", "y = 2;", True),
        ("+\tx = 1; ", "y = 2;", True),
        ("+int f(void) {", "return 1;", True),
        ("+}", "else", True),
        ("+\tx = 1;", "/* a lamp */", False),
        ("+\tx = 1;", "  // a lamp", False),
        ("+\tf(x,", "y);", False),
        ("+ * lamps are dark; what", "is there", False),
        ("+ * lamps are dark;", "what is there", False),
        ("+\t*lamp = 1;", "x = 2;", True),
        ("+\tx = 1; /* lamps are dark;", "so are halls */", False),
        ("+\tfor (x = 0;", "x < 1; x++)", False),
        ('+\tf("(");', "y);", True),
    ],
)
def test_a_statement_ends_a_line_unless_a_comment_follows(
    line: str, rest: str, ended: bool
) -> None:
    assert is_complete(line, rest) is ended


@pytest.mark.parametrize(
    ("section", "rest", "width", "may"),
    [
        ("static int lamp_of_the_hall(struct lamp *lamp,", "int level)", 67, True),
        ("static int lamp_of_the_hall(struct lamp *lamp,", "int level)", 68, False),
        ("lamp_of_the_hall(struct lamp *lamp,", "int", 0, False),  # no 60 columns
        ("lamp_of_the_hall(struct lamp *lamp,", "unsigned", 0, True),
        ("static int lamp_of_the_hall(struct lamp *lamp,", "+int level)", 67, False),
        ("static int lamp_of_the_hall(struct lamp *lamp,", "x" * 34, 70, True),
        ("static int lamp_of_the_hall(struct lamp *lamp,", "x" * 35, 70, False),
        ("", "int level)", 0, False),
    ],
)
def test_the_end_of_a_header_was_wrapped_off_it(
    section: str, rest: str, width: int, may: bool
) -> None:
    assert may_be_of_header(hunk([rest], section=section), rest, width) is may


def test_where_context_is_marked_a_line_without_a_mark_is_the_rest_of_the_header() -> None:
    section, rest = "static int lamp_of_the_hall(struct lamp *lamp,", "int level)"
    marked = hunk([rest, " context", "+x"], section=section)
    assert may_be_of_header(marked, rest, 78)
    assert not may_be_of_header(marked, f" {rest}", 78)
    assert not may_be_of_header(hunk([rest, "context", "+x"], section=section), rest, 78)


@pytest.mark.parametrize(
    ("first", "section", "ends"),
    [
        ("struct lamp *lamp, int level)", "static int lamp_set(", True),
        (" struct lamp *lamp,", "static int lamp_set(", True),  # as much of it as fits
        ("struct hall *hall)", "static int lamp_set(", False),
        ("struct lamp *lamp, int level)", "", False),
        ("+struct lamp *lamp, int level)", "static int lamp_set(", False),
        ("", "static int lamp_set(", False),
    ],
)
def test_the_tree_shows_the_end_of_a_header(first: str, section: str, ends: bool) -> None:
    keys = FileIndex(["int x;", "static int lamp_set(struct lamp *lamp, int level)", "{"]).keys
    assert ends_section(hunk([first, "{", "+x"], section=section), keys) is ends


TREE = FileIndex(["one", "", "two", "three", "four five", "six"])


@pytest.mark.parametrize(
    ("body", "olds", "missing", "apart"),
    [
        ([" one", "-zwei", " three"], 3, "-zwei", False),
        ([" two", "-one", " three"], 3, None, True),
        # A blank line counts if no line of the hunk can have got lost.
        ([" one", "-two", " three"], 3, None, True),
        ([" one", " ", "-two", " three"], 4, None, False),
        (["one", "-two", "three"], 3, None, False),
        (["two", "-one", "three"], 3, None, True),
        (["-three", "four", "five", "six"], 3, None, False),
        (["-one", "four", "five", "six"], 3, None, True),
        (["two", f"+{LONG}", "hall);", "one"], 2, None, False),
        (["two", "+x;", "hall);", "one"], 2, "hall);", False),
        (["two", "+x", "+y", "-- ", "eins", "zwei"], 1, None, False),
    ],
)
def test_the_reason_why_a_hunk_does_not_fit_is_true(
    body: list[str], olds: int, missing: str | None, apart: bool
) -> None:
    news = sum(not text.startswith("-") for text in body) if olds > 2 else 3
    line, together = misfit(hunk(body, olds, news), TREE, 0)
    assert (line.text if line else None, together) == (missing, apart)


@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("b/mm/x\t1970-01-01 00:00:00.000000000 +0000", True),
        ("b/mm/x 1969-12-31 19:00:00 -0500", True),
        ("b/mm/x\tThu Jan  1 01:00:00 1970", True),
        ("b/mm/x\tWed Dec 31 19:00:00 1969", True),
        ("b/mm/x\tThu Jan 01 00:00:00 1970 +0000", True),
        ("b/mm/x\t2008-01-01 10:00:00 +0000", False),
        ("b/mm/1970-01-01", False),
        ("b/mm/x", False),
    ],
)
def test_the_date_of_no_file_is_known(text: str, none: bool) -> None:
    assert is_dateless(text) is none
