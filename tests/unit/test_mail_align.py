"""Where the lines of a hunk are in a file, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from memnotify.mailpatch.align import MailedHunk, find_readings
from memnotify.mailpatch.budget import Effort, TooMuchError
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.raw import Line, RawHunk
from memnotify.mailpatch.reading import Reading

TREE = [f"line({n});" for n in range(40)]
BODY = [" line(9);", " line(10);", "+new();", " line(11);"]
LONG = "lamps_of_the_hall(lamp, BRIGHT, in_the_cellar,"
SECTION = "static int lamps_of_the_hall_and_of_the_attic(int"


def hunk(
    body: Sequence[str],
    counts: tuple[int, int] | None = None,
    *,
    section: str = "",
    last: bool = True,
    final: bool = False,
    outside: int = -1,
) -> RawHunk:
    """Return a hunk for line 10; it has the counts of its markers unless others are given."""
    olds = sum(not line.startswith(("+", "\\")) for line in body)
    news = sum(not line.startswith(("-", "\\")) for line in body)
    old, new = counts or (olds, news)
    lines = (Line(number=2 + at, text=text, outside=at == outside) for at, text in enumerate(body))
    return RawHunk(
        line=1,
        old_start=10,
        old_count=old,
        new_start=10,
        new_count=new,
        section=section,
        body=tuple(lines),
        last=last,
        final=final,
    )


def find(
    given: RawHunk,
    tree: Sequence[str] = TREE,
    *,
    expected: int = 9,
    after: int = 0,
    fuzz: int = 0,
    width: int = 0,
    end: int | None = None,
    effort: int = 100_000,
) -> list[Reading]:
    return find_readings(
        MailedHunk(hunk=given, width=width, end=end),
        FileIndex(tree),
        expected=expected,
        after=after,
        fuzz=fuzz,
        effort=Effort(effort),
    )


def lines(reading: Reading) -> list[str]:
    """Return the lines of a reading: what each is, its line in the tree, and its text."""
    return [
        f"{part.kind.value or '_'}{'' if part.tree is None else part.tree}:"
        f"{'|'.join(line.text for line in part.mail)}"
        for part in reading.parts
    ]


def kinds(reading: Reading) -> str:
    """Return the kinds of the lines; of several joined, their number follows."""
    return "".join(
        f"{part.kind.value or '_'}{len(part.mail) if len(part.mail) != 1 else ''}"
        for part in reading.parts
    )


def one(found: Sequence[Reading]) -> Reading:
    (reading,) = found
    return reading


def test_a_sound_hunk_costs_nothing() -> None:
    found = one(find(hunk([*BODY, "", "-- "], (3, 4))))
    assert (found.start, found.cost, found.counted, found.closed) == (9, 0, True, True)
    assert lines(found) == [" 9: line(9);", " 10: line(10);", "+:+new();", " 11: line(11);"]
    assert [line.text for line in found.rest] == ["", "-- "]


@pytest.mark.parametrize("end", [None, 4])
def test_lines_are_removed_where_the_tree_has_them(end: int | None) -> None:
    given = hunk([" line(9);", "-line(10);", "+new();", " line(11);"])
    found = one(find(given, end=end))
    assert kinds(found) == " -+ "
    assert [part.tree for part in found.parts] == [9, 10, None, 11]
    other = hunk([" line(9);", "-other();", "+new();", " line(11);"])
    assert find(other, end=end) == []


@pytest.mark.parametrize(
    ("body", "counts", "read", "cost"),
    [
        # The markers of context are lost, or all of the white space.
        (["line(9);", "line(10);", "+new();", "line(11);"], (3, 4), "  + ", 0),
        (["line ( 9 ) ;", "line(10);", "+ new ();", "line(11);"], (3, 4), "  + ", 0),
        # A line was wrapped.
        ([" line", "(9);", " line(10);", "+new();", " line(11);"], (3, 4), " 2 + ", 2),
        ([" line", "(", "9);", " line(10);", "+new();", " line(11);"], (3, 4), " 3 + ", 4),
        ([" line(9);", "-line", "(10);", "+new();", " line(11);"], (3, 3), " -2+ ", 2),
        # Blank lines are more than there were.
        ([" line(9);", "", " line(10);", "+new();", " line(11);"], (3, 4), " _ + ", 8),
        # The counts are wrong.
        (BODY, (3, 5), "  + ", 200),
        (BODY, (4, 4), "  + ", 200),
        # Where the file ends is no line.
        ([*BODY, "\\ No newline at end of file"], (3, 4), "  + _", 0),
        ([*BODY[:3], "\\ No newline at end of file", BODY[3]], (3, 4), "  +_ ", 0),
        (["line(9);", "line(10);", "+new();", "\\ No newline", "line(11);"], (3, 4), "  +_ ", 0),
    ],
)
def test_what_was_done_to_a_hunk(
    body: list[str], counts: tuple[int, int], read: str, cost: int
) -> None:
    found = one(find(hunk(body, counts)))
    assert (kinds(found), found.cost, found.start) == (read, cost, 9)
    assert found.counted == (cost < 200)


def test_a_line_may_be_wrapped_into_six_pieces() -> None:
    tree = [*TREE[:9], "a b c d e f g", *TREE[9:]]
    pieces = [" a", "b", "c", "d", "e", "f g"]
    assert kinds(one(find(hunk([*pieces, "+new();", " line(9);"], (2, 3)), tree))) == " 6+ "
    pieces = [*pieces[:5], "f", "g"]
    assert find(hunk([*pieces, "+new();", " line(9);"], (2, 3)), tree) == []


def test_blank_lines_that_the_archive_has_dropped_are_put_back() -> None:
    tree = [*TREE[:10], "", *TREE[10:12], "", *TREE[12:]]
    found = one(find(hunk(BODY, (4, 5)), tree))
    assert lines(found) == [
        *(" 9: line(9);", " 10:", " 11: line(10);", "+:+new();", " 12: line(11);")
    ]
    assert (found.cost, found.counted) == (8, True)
    # At most three more than the header counts.
    many = [*TREE[:10], "", "", "", "", *TREE[10:]]
    assert kinds(one(find(hunk(BODY, (4, 5)), many))) == "  0 0 0 0 + "
    assert find(hunk(BODY, (1, 2)), many) == []


@pytest.mark.parametrize("end", [None, 4])
def test_letters_that_archives_change_are_compared_where_they_are_shown(end: int | None) -> None:
    tree = [*TREE[:10], "f(é);", *TREE[11:]]
    for text, cost in (("f(é);", 0), ("f(?);", 0), ("f(\ufffd);", 0), ("f(è);", 100)):
        given = hunk([" line(9);", f" {text}", "+new();", " line(11);"])
        assert one(find(given, tree, end=end)).cost == cost
        given = hunk([" line(9);", f"-{text}", "+new();", " line(11);"])
        assert one(find(given, tree, end=end)).cost == cost


def test_the_place_in_the_header_wins_over_others_that_are_as_good() -> None:
    twice = [*TREE[:20], *TREE[:20]]
    assert [found.start for found in find(hunk(BODY), twice)] == [9]
    assert [found.start for found in find(hunk(BODY), twice, expected=29)] == [29]
    assert [found.start for found in find(hunk(BODY), twice, expected=15)] == [9, 29]
    assert [found.start for found in find(hunk(BODY), twice, expected=15, after=10)] == [29]
    assert [found.start for found in find(hunk(BODY), twice, after=10)] == [29]
    assert find(hunk(BODY), twice, after=30) == []
    # It stays a choice beside better ones if its counts are right.
    damaged = [*TREE[:10], "", *TREE[10:20], *TREE[:20]]
    assert [(f.start, f.cost) for f in find(hunk(BODY), damaged)] == [(30, 0)]
    assert [(f.start, f.cost) for f in find(hunk(BODY, (4, 5)), damaged)] == [(9, 8)]
    blank = hunk([BODY[0], "", *BODY[1:]], (3, 4))
    other = [*TREE[:20], *damaged]
    assert [(f.start, f.cost) for f in find(blank, other)] == [(9, 8)]


@pytest.mark.parametrize("end", [None, 6])
def test_context_may_be_missing_as_far_as_fuzz_allows(end: int | None) -> None:
    body = [" other();", *BODY, " another();"]
    given = hunk(body)
    assert find(given, end=end) == []
    assert find(hunk([*body[:2], " more();", *body[2:]]), end=None if end is None else 7) == []
    found = one(find(given, expected=8, fuzz=2, end=end))
    assert (kinds(found), found.cost, found.start) == ("?  + ?", 40, 9)
    half = hunk(body[:-1])
    found = one(find(half, expected=8, fuzz=1, end=None if end is None else 5))
    assert (kinds(found), found.cost) == ("?  + ", 20)
    # Only at the ends, and as many lines in all.
    assert find(given, expected=8, fuzz=1, end=end) == []
    middle = hunk([*BODY[:2], " other();", *BODY[2:]])
    assert find(middle, fuzz=2, end=None if end is None else 5) == []


@pytest.mark.parametrize(
    ("more", "read", "cost"),
    [
        (["hall);"], "  +2 ", 2),
        (["hall,", "attic);"], "  +3 ", 4),
        ([" hall);"], "  +2 ", 2),
        ([""], "  +_ ", 8),
    ],
)
def test_an_added_line_that_was_wrapped(more: list[str], read: str, cost: int) -> None:
    found = one(find(hunk([*BODY[:2], f"+\t{LONG}{LONG}", *more, BODY[3]], (3, 4)), width=60))
    assert (kinds(found), found.cost) == (read, cost)


def test_a_line_that_had_room_for_the_next_word_was_not_wrapped() -> None:
    for first, rest, found in (
        ("+\tlamps(", " hall);", ""),
        ("+\tlamps(", "hall);", "  +2 "),  # context has its markers
        (f"+\tx = {'y' * 50};", " hall);", ""),
    ):
        readings = find(hunk([*BODY[:2], first, rest, BODY[3]], (3, 4)), width=60)
        assert "".join(map(kinds, readings)) == found


def test_the_rest_of_an_added_line_may_begin_with_a_marker() -> None:
    """Whether it is a line of its own is open, if the counts agree with neither."""
    given = hunk([*BODY[:2], f"+\tx = {'y' * 60}", "+ z;", BODY[3]], (3, 4))
    assert {kinds(found) for found in find(given, width=60)} == {"  ++ ", "  +2 "}
    counted = hunk([*BODY[:2], f"+\tx = {'y' * 60}", "+ z;", BODY[3]], (3, 5))
    assert kinds(one(find(counted, width=60))) == "  ++ "
    short = hunk([*BODY[:2], "+\tx = y", "+ z;", BODY[3]], (3, 4))
    assert kinds(one(find(short, width=60))) == "  ++ "


def test_a_comment_between_the_lines_is_no_added_line() -> None:
    given = hunk([*BODY[:3], "+1 for this", BODY[3]], (3, 4), outside=3)
    assert find(given) == []


def test_the_end_of_a_header_is_no_line_of_the_hunk() -> None:
    given = hunk(["hall)", *BODY], (3, 4), section=SECTION)
    found = one(find(given, width=60))
    assert (kinds(found), found.cost) == ("_  + ", 2)
    assert find(hunk(["hall)", *BODY], (3, 4)), width=60) == []
    there = [*TREE, "int lamps(int hall)"]
    short = hunk(["hall)", *BODY], (3, 4), section="int lamps(int")
    assert find(short) == []
    assert kinds(one(find(short, there))) == "_  + "


@pytest.mark.parametrize(
    ("below", "last", "said"),
    [
        (["-- ", "2.1"], True, (0, True)),
        (["", "Text."], True, (0, True)),
        (["junk"], True, (0, True)),  # the hunk is closed, so it is not its own
        (["", "-junk"], True, (400, True)),
        (["junk"], False, (400, True)),
        (["", "junk", "junk"], False, (800, True)),
    ],
)
def test_lines_below_a_hunk(below: list[str], last: bool, said: tuple[int, bool]) -> None:
    found = one(find(hunk([*BODY, *below], (3, 4), last=last)))
    assert (found.cost, found.counted) == said
    assert [line.text for line in found.rest] == below


@pytest.mark.parametrize(
    ("body", "below", "last", "closed"),
    [
        (BODY, "junk", True, True),
        (BODY, " junk", True, False),
        (BODY, "\tjunk", True, False),
        (BODY, "line(12);", True, False),
        (BODY, "junk", False, False),
        ([*BODY[:3], " line", "(11);"], "junk", True, False),
        ([*BODY[:1], "", *BODY[1:]], "junk", True, False),
        (BODY[:3], "junk", True, False),  # an added line may go on
    ],
)
def test_a_hunk_is_closed_if_its_last_line_is_whole(
    body: list[str], below: str, last: bool, closed: bool
) -> None:
    counts = (2, 3) if body == BODY[:3] else (3, 4)
    found = find(hunk([*body, below], counts, last=last))
    assert {reading.closed for reading in found} == {closed}


def test_a_hunk_with_wrong_counts_ends_where_the_text_below_shows_it() -> None:
    for below in (["-- ", "2.1"], ["", "", "---"], ["To unsubscribe from this list"]):
        assert one(find(hunk([*BODY, *below], (4, 5)))).cost == 200
    assert find(hunk([*BODY, "junk"], (4, 5))) == []
    # Or after a blank line, if one of the counts is right.
    assert one(find(hunk([*BODY, "", "junk"], (3, 5)))).cost == 208
    assert find(hunk([*BODY, "", "junk"], (4, 5))) == []
    assert find(hunk([*BODY, "", "junk"], (3, 5), last=False)) == []
    assert find(hunk([*BODY, "", "junk", "+more();"], (3, 5))) == []


@pytest.mark.parametrize(("final", "cost"), [(True, 8), (False, 0)])
def test_the_end_of_a_mail_is_no_line(final: bool, cost: int) -> None:
    tree = [*TREE[:12], "", *TREE[12:]]
    found = one(find(hunk([*BODY, ""], (4, 5), final=final), tree))
    assert (found.counted, found.cost) == (True, cost)


def test_lines_that_are_everywhere_are_looked_for_near_rare_ones() -> None:
    tree = ["}"] * 100 + TREE
    given = hunk([" }", "+new();", " line(0);"])
    assert [found.start for found in find(given, tree)] == [99]
    common = hunk([" }", "+new();", " }"])
    assert len(find(common, tree, expected=120)) == 99
    with pytest.raises(TooMuchError):
        find(common, tree, effort=50)


def test_a_hunk_that_changes_nothing_has_no_reading() -> None:
    assert find(hunk([" line(9);", " line(10);"])) == []
    assert find(hunk([], (0, 0))) == []


def test_a_hunk_of_an_empty_file() -> None:
    found = one(find(hunk(["+one", "+two"], (0, 2)), [], expected=0))
    assert (kinds(found), found.start, found.cost) == ("++", 0, 0)
    assert find(hunk(["+one"], (0, 1)), [], expected=1) == []
