"""What the user sees of a hunk that does not fit: the most similar place, side by side."""

from __future__ import annotations

import pytest
from memnotify.series.mismatch import ExpectedHunk, show_mismatch

LINES = "".join(f"line {number}\n" for number in range(1, 31))


def shown(*expected: str, start: int, text: str = LINES) -> tuple[int, list[str]]:
    """Return the line of the place, and the rows without their heading."""
    hunk = ExpectedHunk(start=start, expected=expected, patch_line=1)
    line, table = show_mismatch(hunk, text)
    heading, *rows = table.split("\n")
    assert heading.split() == ["expected", "found"]
    assert heading.index("found") == rows[0].index("|") + 2 if rows else True
    return line, rows


@pytest.mark.parametrize(
    ("expected", "start", "line", "rows"),
    [
        (
            ("line 10", "line X", "line 12"),
            10,
            10,
            [
                "    line 10  |     10  line 10",
                "  ! line X   |     11  line 11",
                "    line 12  |     12  line 12",
            ],
        ),
        (  # the file has a line more
            ("line 10", "line 12"),
            2,
            10,
            [
                "    line 10  |     10  line 10",
                "  !          |     11  line 11",
                "    line 12  |     12  line 12",
            ],
        ),
        (  # and one less
            ("line 10", "line 11", "line X", "line 12"),
            2,
            10,
            [
                "    line 10  |     10  line 10",
                "    line 11  |     11  line 11",
                "  ! line X   |",
                "    line 12  |     12  line 12",
            ],
        ),
        (  # two lines for one of the file
            ("line 10", "X", "Y", "line 12"),
            10,
            10,
            [
                "    line 10  |     10  line 10",
                "  ! X        |     11  line 11",
                "  ! Y        |",
                "    line 12  |     12  line 12",
            ],
        ),
        (  # more lines inserted than are looked at
            ("line 10", "line 19"),
            10,
            10,
            [
                "    line 10  |     10  line 10",
                "  ! line 19  |     11  line 11",
            ],
        ),
        (("nothing",), 1, 1, ["  ! nothing  |      1  line 1"]),
        (  # it ends
            ("line 29", "line 30", "line 31"),
            29,
            29,
            [
                "    line 29  |     29  line 29",
                "    line 30  |     30  line 30",
                "  ! line 31  |",
            ],
        ),
        (  # the first line differs, and the last
            ("X", "line 11", "Y"),
            3,
            10,
            [
                "  ! X        |     10  line 10",
                "    line 11  |     11  line 11",
                "  ! Y        |     12  line 12",
            ],
        ),
        (  # nothing is alike: the place that the patch names
            ("nothing", "alike"),
            28,
            28,
            [
                "  ! nothing  |     28  line 28",
                "  ! alike    |     29  line 29",
            ],
        ),
        ((), 3, 3, []),  # a hunk that only adds
    ],
)
def test_a_hunk_is_shown_beside_the_most_similar_lines(
    expected: tuple[str, ...], start: int, line: int, rows: list[str]
) -> None:
    assert shown(*expected, start=start) == (line, rows)


def test_of_several_places_the_nearest_is_shown() -> None:
    text = "dup\n" + "x\n" * 7 + "dup\n"
    assert [shown("dup", "end", start=at, text=text)[0] for at in (5, 6)] == [1, 9]


def test_empty_lines_do_not_make_a_place_similar() -> None:
    text = "\n\t\n\n\nq\nq\nq\nkey\n"
    line, rows = shown("", "\t", "key", start=1, text=text)
    assert rows[-1] == "    key      |      8  key"
    assert line > 1


def test_tabs_are_expanded_and_long_lines_cut() -> None:
    line, rows = shown("\tif", "y" * 80, start=1, text="\tif\n" + "z" * 80 + "\n")
    assert line == 1
    assert rows == [
        f"        if{' ' * 66} |      1      if",
        f"  ! {'y' * 72} |      2  {'z' * 72}",
    ]


def test_a_file_that_is_empty() -> None:
    assert shown("a", start=7, text="") == (1, ["  ! a        |      1"])


def test_lines_that_come_often_in_a_long_hunk_are_paired_as_well() -> None:
    often = ["\tx();"] * 219
    text = "".join(f"{line}\n" for line in [*"abcd", "one", *often, *"efghijklmnop"])
    line, rows = shown("old", *often, start=5, text=text)
    assert (line, len(rows)) == (5, 220)
    assert [row.split() for row in rows if row.startswith("  !")] == [["!", "old", "|", "5", "one"]]
