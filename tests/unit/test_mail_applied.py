"""Whether a tree has a hunk already, so that it applies in reverse."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from memnotify.mailpatch.align import MailedHunk, find_readings
from memnotify.mailpatch.applied import Backward, HunkInTree
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import Lines, OpenFile
from memnotify.mailpatch.git_index import digest_of
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.raw import Line, RawDiff, RawHunk
from memnotify.mailpatch.reading import Reading
from memnotify.mailpatch.standing import end_of, ends_clearly

NO, APPLIED, LACKS, UNCLEAR = Backward
LINES = [f"line({n});" for n in range(20)]
MARKED = [" line(9);", " line(10);", "+new();", "+more();", " line(11);", " line(12);"]
"""A hunk for line 10 of LINES."""


def hunk(
    body: Sequence[str],
    *,
    old: tuple[int, int],
    new: tuple[int, int],
    last: bool = True,
    section: str = "",
) -> RawHunk:
    """Return a hunk; `old` and `new` are a start and a count."""
    return RawHunk(
        line=4,
        old_start=old[0],
        old_count=old[1],
        new_start=new[0],
        new_count=new[1],
        section=section,
        body=tuple(Line(number=5 + at, text=text) for at, text in enumerate(body)),
        last=last,
    )


def counted(body: Sequence[str], start: int, moved: int = 0) -> RawHunk:
    """Return a hunk that begins at a line, with the counts of its markers."""
    olds = sum(not line.startswith("+") for line in body)
    news = sum(not line.startswith("-") for line in body)
    return hunk(body, old=(start, olds), new=(start + moved, news))


def in_tree(
    given: RawHunk,
    tree: Sequence[str],
    *,
    before: str | None = "f",
    blobs: tuple[str, str] = ("", ""),
    width: int = 80,
) -> HunkInTree:
    diff = RawDiff(line=1, before="a/f", after="b/f", extended=(), hunks=(given,), blobs=blobs)
    file = OpenFile(diff, before, "f", Lines(tuple(tree)))
    index = FileIndex(tree)
    return HunkInTree(hunk=given, file=file, index=index, width=width, effort=Effort())


def readings(given: RawHunk, tree: Sequence[str]) -> list[Reading]:
    """Read a hunk as an import does."""
    return find_readings(
        MailedHunk(hunk=given, width=80, end=end_of(given) if ends_clearly(given) else None),
        FileIndex(tree),
        expected=max(given.old_start - (given.old_count > 0), 0),
        effort=Effort(),
    )


def backward(given: RawHunk, tree: Sequence[str]) -> Backward:
    return in_tree(given, tree).backward(readings(given, tree))


def with_new(*lines: str, at: int = 11) -> list[str]:
    return [*LINES[:at], *(lines or ("new();", "more();")), *LINES[at:]]


SAME = [" line(9);", "-line(10);", "+line( 10 );", " line(11);"]
"""A hunk of white space only."""


@pytest.mark.parametrize(
    ("given", "tree", "stands"),
    [
        (counted(MARKED, 10), with_new(), True),
        (counted([*MARKED, "-- ", "2.1"], 10), with_new(), False),  # its counts are others
        (hunk([*MARKED, "-- "], old=(10, 4), new=(10, 6)), with_new(), True),
        # It fits once more.
        (hunk([" x", "+x", "-- "], old=(1, 1), new=(1, 2)), ["x", "x"], True),
        (counted(MARKED, 10), LINES, False),
        (counted(MARKED, 10, 1), with_new(), False),
        (counted(MARKED, 9, 1), with_new(), True),
        (counted(["+new();"], 0, 1), ["new();"], True),
        (hunk(["+new();", " line(0);"], old=(1, 1), new=(1, 2)), with_new("new();", at=0), True),
        (counted([" line(9);", "+", " line(10);"], 10), with_new("", at=10), False),
        (counted(SAME, 10), LINES, False),
        (hunk([*SAME, "-- "], old=(10, 3), new=(10, 3)), LINES, False),
        (counted(["-line(9);", "+line(10);"], 10, 1), LINES, True),
    ],
)
def test_a_hunk_stands_in_reverse_where_its_header_says(
    given: RawHunk, tree: list[str], stands: bool
) -> None:
    assert in_tree(given, tree).stands_in_reverse() is stands


def test_what_the_files_names_and_digests_say_of_a_hunk_in_reverse() -> None:
    given, tree = counted(MARKED, 10), with_new()
    old = digest_of(Lines(tuple(tree)).data())[:9]
    assert not in_tree(given, tree, before=None).stands_in_reverse()
    assert not in_tree(given, tree, blobs=(old, "0123456")).stands_in_reverse()
    assert in_tree(given, tree, blobs=("0123456", old)).stands_in_reverse()
    assert in_tree(given, tree, before=None).backward([]) is NO
    assert in_tree(given, tree).backward([]) is APPLIED
    assert in_tree(given, tree, blobs=(old, "0123456")).backward([]) is NO
    short = hunk(MARKED[1:], old=(10, 4), new=(10, 6))
    assert in_tree(short, tree, blobs=(old, "0123456")).backward([]) is LACKS


@pytest.mark.parametrize("width", [20, 80])
def test_a_line_that_may_have_been_wrapped_does_not_stand_in_reverse(width: int) -> None:
    wide = f"-{'w' * 70}"
    given = hunk(["+new();", wide, "rest"], old=(1, 1), new=(1, 1))
    # It would have had room in a mail of 80 columns.
    found = in_tree(given, ["new();"], width=width)
    assert found.stands_in_reverse() is (width == 80)


COPIES = ["a", "b", "c", "d", "e", "a", "b", "X", "c", "d", "e"]
"""The second copy has a line that a hunk removes from the first."""
ENTRY = ["config LAMP", "bool", "default y", ""]
KCONFIG = ["config HALL", "bool", "default y", "", 'source "i"', "", "menu"]
BESIDE = [" bool", " default y", " ", *(f"+{line}" for line in ENTRY), ' source "i"', " ", " menu"]
BLANK = [" line(9);", "+", " line(10);"]
REPLACED = [" line(9);", "-old();", "+new();", " line(10);"]
REPLACED_BY_BLANK = [" line(9);", "-old();", "+", " line(10);"]
BARE = [line.lstrip(" ") for line in MARKED]
UNMARKED_BLANK = [*LINES[:3], "+", *LINES[3:6]]
ABC = [" a", "+b", " c"]
APART = [f"apart({n});" for n in range(40)]
LOST_BLANK = [" a", "+n", " c"]
FAR = [*LINES[9:11], "new();", "more();", *LINES[11:13], *LINES[13:], "apart();"]

CASES = {
    "it fits": (counted(MARKED, 10), LINES, NO),
    "it is there": (counted(MARKED, 10), with_new(), APPLIED),
    "it is there, further down than stated": (counted(MARKED, 10, 3), with_new(), APPLIED),
    "it is there, elsewhere": (counted(MARKED, 3), with_new(), APPLIED),
    "it is there twice": (counted(MARKED, 3), [*with_new(), *with_new()], APPLIED),
    "it is there without its markers": (
        hunk(BARE, old=(10, 4), new=(10, 6)),
        with_new(),
        APPLIED,
    ),
    "it fits without its markers": (hunk(BARE, old=(10, 4), new=(10, 6)), LINES, NO),
    "it is there, and has a signature": (
        hunk([*BARE, "-- ", "2.1"], old=(10, 4), new=(10, 6)),
        with_new(),
        APPLIED,
    ),
    "a single letter, elsewhere": (
        counted([" line(9);", "+x", " line(10);"], 3),
        with_new("x", at=10),
        APPLIED,
    ),
    "half of it is there": (counted(MARKED, 10), with_new("new();"), NO),
    "a line of context is lost, and it is there": (
        hunk(MARKED[1:], old=(10, 4), new=(10, 6)),
        with_new(),
        LACKS,
    ),
    "an added line is lost": (
        hunk([*MARKED[:3], *MARKED[4:]], old=(10, 4), new=(10, 6)),
        LINES,
        NO,
    ),
    "an added line is lost, and the other is there, elsewhere": (
        hunk([*MARKED[:3], *MARKED[4:]], old=(10, 4), new=(10, 6)),
        [*LINES, "apart();", *LINES[9:11], "new();", *LINES[11:13]],
        LACKS,
    ),
    "a blank line is lost, and it is there": (
        hunk(LOST_BLANK, old=(1, 3), new=(1, 4)),
        ["a", "n", "", "c", *LINES, "a", "", "c"],
        APPLIED,
    ),
    "a line is lost, and may be a blank one": (
        hunk(LOST_BLANK, old=(1, 3), new=(1, 4)),
        ["a", "", "c", "apart();", "a", "n", "c"],
        LACKS,
    ),
    "a line is lost, and may be a blank one, or it is there too far below": (
        hunk(LOST_BLANK, old=(1, 3), new=(1, 4)),
        ["a", "", "c", *APART[:13], "a", "n", "c"],
        NO,
    ),
    "a line seems to be lost, as another begins with a -": (
        hunk(["- item", "+new();", " end();"], old=(1, 2), new=(1, 3)),
        ["- item", "end();", "apart();", "new();", "end();"],
        NO,
    ),
    "there is a line more below it": (
        hunk([*BARE, "junk();"], old=(10, 4), new=(10, 6)),
        with_new(),
        NO,
    ),
    "it is sound, and the tree has a blank line more": (
        counted([" a", "+n", " c"], 1),
        ["a", "n", "", "c"],
        NO,
    ),
    "a removed line would go on with an added one": (
        hunk(["line(9);", f"-{'x' * 75}", "+new();", "line(10);"], old=(10, 3), new=(10, 2)),
        LINES,
        NO,
    ),
    # Lines that are only removed
    "removed": (counted([" line(9);", "-old();", " line(10);"], 10), LINES, APPLIED),
    "removed elsewhere": (counted([" line(9);", "-old();", " line(10);"], 3), LINES, NO),
    "not removed": (counted([" line(9);", "-line(10);", " line(11);"], 10), LINES, NO),
    "removed from the first copy": (counted([" a", " b", "-X", " c"], 1), COPIES, APPLIED),
    "removed, at the end of the context": (counted([" a", " b", " c", "-X"], 1), COPIES, APPLIED),
    "two lines of context": (counted([" b", "-X", " c"], 2), COPIES, NO),
    "two lines of context and a blank one": (
        counted([" b", "-X", " ", " c"], 2),
        ["a", "b", "", "c", "e", "e", "a", "b", "X", "", "c"],
        NO,
    ),
    "removed from the second copy": (counted([" b", "-X", " c", " d"], 3), COPIES, NO),
    "removed from the first copy, with a signature": (
        hunk([" b", "-X", " c", "-- ", " 2", " 1"], old=(2, 3), new=(2, 2)),
        COPIES,
        NO,
    ),
    # Blank lines
    "a blank line that is there": (counted(BLANK, 10), with_new("", at=10), APPLIED),
    "a blank line that is not": (counted(BLANK, 10), LINES, NO),
    "a blank line that is there, elsewhere": (counted(BLANK, 3), with_new("", at=10), NO),
    "a blank line for a removed one": (
        counted(REPLACED_BY_BLANK, 10),
        with_new("", at=10),
        APPLIED,
    ),
    "a blank line for a removed one, elsewhere": (
        counted(REPLACED_BY_BLANK, 3),
        with_new("", at=10),
        NO,
    ),
    "a blank line for a removed one in an unmarked hunk": (
        hunk(["line(0);", "line(1);", "-old();", "+", "line(2);"], old=(1, 4), new=(1, 4)),
        [*with_new("", at=2)[:4], "apart();", "line(0);", "line(1);", "old();", "", "line(2);"],
        NO,
    ),
    "an unmarked hunk of a blank line that is there": (
        hunk(UNMARKED_BLANK, old=(1, 6), new=(1, 7)),
        with_new("", at=3),
        APPLIED,
    ),
    "the same with a signature": (
        hunk([*UNMARKED_BLANK, "-- ", "2.1"], old=(1, 6), new=(1, 7)),
        with_new("", at=3),
        APPLIED,
    ),
    "an unmarked hunk of a blank line that is not": (
        hunk(UNMARKED_BLANK, old=(1, 6), new=(1, 7)),
        LINES,
        NO,
    ),
    # Both can be read
    "it fits, and is there far below": (
        counted(MARKED, 10),
        [*LINES, "apart();", *FAR],
        NO,
    ),
    "it fits, and is there far above": (counted(MARKED, 10), [*FAR, *LINES], NO),
    "it fits far below, and is there where its header says": (
        hunk(BARE, old=(10, 4), new=(10, 6)),
        [*with_new(), *APART, *LINES],
        APPLIED,
    ),
    "it fits far below, and is there elsewhere": (
        hunk(BARE, old=(50, 4), new=(50, 6)),
        [*with_new(), *APART, *LINES],
        NO,
    ),
    "it would be put below itself": (counted(ABC, 10), ["a", "b", "c", "a", "c"], APPLIED),
    "it would be put above itself": (counted(ABC, 10), ["a", "c", "a", "b", "c"], APPLIED),
    "there is a line between it and itself": (
        counted(ABC, 10),
        ["a", "c", "apart();", "a", "b", "c"],
        NO,
    ),
    "it is there at the top": (counted(["+n", " a", " b"], 10), ["n", "a", "b"], APPLIED),
    "it needs no lines of the tree": (
        hunk(["+new();"], old=(5, 0), new=(6, 1)),
        with_new("new();", at=8),
        NO,
    ),
    "replaced": (counted(REPLACED, 10), with_new("new();", at=10), APPLIED),
    "replaced, elsewhere": (counted(REPLACED, 3), with_new("new();", at=10), APPLIED),
    "replaced, and not in a copy below": (
        counted(REPLACED, 10),
        [*with_new("new();", at=10), *with_new("old();", at=10)],
        APPLIED,
    ),
    "it would be put beside itself": (
        hunk(BESIDE, old=(12, 6), new=(12, 10)),
        [*KCONFIG[:4], *ENTRY, *KCONFIG[4:]],
        APPLIED,
    ),
    "it is not there to be put beside": (hunk(BESIDE, old=(12, 6), new=(12, 10)), KCONFIG, NO),
}


@pytest.mark.parametrize(("given", "tree", "said"), CASES.values(), ids=CASES)
def test_whether_a_tree_has_a_hunk(given: RawHunk, tree: list[str], said: Backward) -> None:
    assert backward(given, tree) is said


def put(*lines: str, at: int = 10) -> list[str]:
    """Return LINES with other lines at a place."""
    return [*LINES[:at], *lines, *LINES[at + len(lines) :]]


TWO = [" line(9);", "-line(10);", "-line(11);", "+line( 10 );", "+line( 11 );", " line(12);"]
LONG = f"\tlong({'a' * 70},"


@pytest.mark.parametrize(
    ("given", "tree", "said"),
    [
        (SAME, LINES, NO),
        (SAME, put("line( 10 );"), APPLIED),
        (SAME, put("line( 10 );\r"), APPLIED),
        (SAME, put("line (10);"), UNCLEAR),
        (SAME, put("line(10);\r"), NO),
        (SAME, put("line(10); "), UNCLEAR),
        ([f"{text}\r" for text in SAME], LINES, NO),
        ([f"{text}\r" for text in SAME], put("line( 10 );"), APPLIED),
        # Both sides have the same text, and the file has neither.
        ([SAME[0], "-line(10);", "+line(10);", SAME[-1]], put("line (10);"), NO),
        (TWO, LINES, NO),
        (TWO, put("line( 10 );", "line( 11 );"), APPLIED),
        (TWO, put("line( 10 );", "line(11);"), UNCLEAR),
        (TWO, put("line(10);", "line( 11 );"), UNCLEAR),
    ],
)
def test_what_a_tree_has_of_a_change_of_white_space(
    given: list[str], tree: list[str], said: Backward
) -> None:
    assert backward(counted(given, 10), tree) is said


def test_a_removed_line_that_was_wrapped_is_the_files_if_it_begins_like_it() -> None:
    """The pieces of both sides are the same, in the same order."""
    body = [" line(9);", f"+ {LONG}", f"-{LONG}", "b);", " line(11);"]
    given = hunk(body, old=(10, 3), new=(10, 3))
    assert backward(given, put(f"{LONG} b);")) is NO
    assert backward(given, put(f"\t{LONG} b);")) is UNCLEAR


def test_what_a_tree_has_of_a_change_of_white_space_in_its_first_line() -> None:
    given = counted(["-line(0);", "+line( 0 );", " line(1);"], 1)
    assert backward(given, put("line( 0 );", at=0)) is APPLIED
    assert backward(given, LINES) is NO


@pytest.mark.parametrize(("width", "said"), [(80, NO), (60, APPLIED)])
def test_a_word_that_had_room_is_no_rest_of_a_header(width: int, said: Backward) -> None:
    section = "static int lamps(int in_the_hall, int"
    given = hunk(["more)", *BARE], old=(10, 4), new=(10, 6), section=section)
    assert in_tree(given, with_new(), width=width).backward([]) is said
