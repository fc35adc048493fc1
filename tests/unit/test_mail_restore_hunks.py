"""Hunks whose lines, numbers or places are odd: what is read in them, and what is not."""

from __future__ import annotations

import pytest

from tests.support.restored import (
    HEAD,
    NAME,
    NUMBERED,
    after,
    hunk,
    line,
    mail_of,
    refusal,
    repairs,
    restored,
    with_new,
)

ABOVE, BELOW, NEW = [line(9), line(10)], [line(11), line(12)], "+\tnew();"
TABLE = "a();\nb();\nc();\n" * 5
SIGNATURE = ["-- ", "1.5.3"]


def test_a_hunk_is_looked_for_as_far_away_as_the_one_before_was_found() -> None:
    tree = "".join(f"{text}\n" for text in NUMBERED.splitlines()[:20]) + TABLE
    one = hunk(7, line(9), NEW, line(10))
    two = hunk(23, " b();", " c();", "+x();", " a();", at=22)
    (patch,) = restored(mail_of(*HEAD, *one, *two), files={NAME: tree})
    assert after(patch)[NAME].splitlines().index("x();") == 27  # not three lines above
    moved = ("MOVED", NAME, 5, "+3 lines", True)
    assert repairs(patch) == [moved, ("MOVED", NAME, 9, "+3 lines", True)]


WRAPPED = [line(4), "+\tnew(a_very_long_name_of_an_argument, another_very_long_name,", "more);"]


@pytest.mark.parametrize(
    ("before", "below"),
    [([], SIGNATURE), (hunk(5, *WRAPPED, line(5), old=2, new=3), ["", *SIGNATURE])],
    ids=["no line of the mail was wrapped", "an empty line is below the hunk"],
)
def test_an_empty_line_of_a_hunk_that_is_whole_is_not_left_out(
    before: list[str], below: list[str]
) -> None:
    whole = hunk(10, *ABOVE, "", NEW, line(11), old=4, new=5)
    said = refusal(mail_of(*HEAD, *before, *whole, *below), files={NAME: NUMBERED})
    number = 2 if before else 1
    assert said == (
        f"{9 + len(before)}: hunk {number} of {number} does not fit mm/a.c: its lines are there, "
        "but not together in this order (is this the base that the patch is for?)"
    )


def test_a_marked_line_may_be_the_rest_of_another_unless_the_mail_has_wider_ones() -> None:
    long = f"+\tx = {'a' * 54}"
    counts_one_less = hunk(10, *ABOVE, long, "+ b;", *BELOW, new=5)
    assert refusal(mail_of(*HEAD, *counts_one_less), files={NAME: NUMBERED}) == (
        "9: hunk 1 of 1 of mm/a.c can be read in 2 ways (--interactive shows them and asks)"
    )
    wide = f"+\tcall({'x' * 90});"
    more = hunk(32, line(29), wide, line(30), at=30)
    (patch,) = restored(mail_of(*HEAD, *counts_one_less, *more), files={NAME: NUMBERED})
    text = with_new(11, f"{long[1:]}\n b;").replace("\tline(30);", f"{wide[1:]}\n\tline(30);")
    assert after(patch) == {NAME: text}
    assert [kind for kind, *_ in repairs(patch)] == ["NUMBERS"]


def test_a_remark_below_a_removed_line_is_no_line_of_the_hunk() -> None:
    body = hunk(39, line(38), NEW, line(39, "-"))
    (patch,) = restored(mail_of(*HEAD, *body, "A remark."), files={NAME: NUMBERED})
    assert after(patch) == {NAME: NUMBERED.replace("line(39)", "new()")}
    assert repairs(patch) == []


def test_a_hunk_with_all_its_lines_below_a_wrapped_header_has_no_empty_line_more() -> None:
    section = ["static int a_function_of_a_long_name(struct lamp *lamp,", "int b)"]
    tree = NUMBERED.replace("\tline(2);", " ".join(section))
    header = [f"@@ -10,4 +10,5 @@ {section[0]}", section[1]]
    (patch,) = restored(mail_of(*HEAD, *header, *ABOVE, NEW, *BELOW), files={NAME: tree})
    assert repairs(patch) == [("HEADER", NAME, 6, "", True)]
    mail = mail_of(*HEAD, *header, *ABOVE, "", NEW, line(11))
    assert refusal(mail, files={NAME: tree}) == (
        "9: hunk 1 of 1 does not fit mm/a.c (is this the base that the patch is for?)"
    )
