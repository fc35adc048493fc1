"""Hunks whose lines, numbers or places are odd: what is read in them, and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from memnotify.commands import CommandLog
from memnotify.errors import InputError
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.restore_patch import Restorer
from memnotify.series.apply import FileState

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


SECTION = ["static int a_function_of_a_long_name(struct lamp *lamp,", "int b)"]


def test_a_hunk_with_all_its_lines_below_a_wrapped_header_is_not_repaired() -> None:
    tree = NUMBERED.replace("\tline(2);", " ".join(SECTION))
    header = [f"@@ -10,4 +10,5 @@ {SECTION[0]}", SECTION[1]]
    (patch,) = restored(mail_of(*HEAD, *header, *ABOVE, NEW, *BELOW), files={NAME: tree})
    assert repairs(patch) == [("HEADER", NAME, 6, "", True)]
    said = "9: hunk 1 of 1 does not fit mm/a.c (is this the base that the patch is for?)"
    # An empty line is not left out, nor is one left out and another put back.
    mail = mail_of(*HEAD, *header, *ABOVE, "", NEW, line(11))
    assert refusal(mail, files={NAME: tree}) == said
    mail = mail_of(
        *HEAD, header[0].replace("4 +10,5", "5 +10,6"), SECTION[1], line(9), "", line(10)
    )
    mail += "".join(f"{text}\n" for text in (NEW, *BELOW)).encode()
    assert refusal(mail, files={NAME: tree.replace("\tline(11);", "\n\tline(11);")}) == said


WHOLE = "(get the whole mail; if it is whole, correct the header by hand)"
OTHER_BASE = "(is this the base that the patch is for?)"
SHORT = hunk(10, " \tother();", NEW, line(11), old=8, new=9)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        # It has the lines that it counts, one of which looks like the mark above a signature.
        (
            hunk(10, line(9), "-- ", NEW, *(line(number) for number in range(11, 15))),
            f"11: hunk 1 of 1 does not fit mm/a.c, which has no line '-' {OTHER_BASE}",
        ),
        # It has fewer: the mail was cut off there only if nothing is below it.
        (
            [*SHORT, *hunk(30, line(29), NEW, line(30))],
            f"10: hunk 1 of 2 does not fit mm/a.c, which has no line 'other();' {OTHER_BASE}",
        ),
        (
            SHORT,
            f"12: the mail ends in hunk 1 of 1 of mm/a.c: 3 of 9 lines are there {WHOLE}",
        ),
        (
            ["@@ -10,4 +10,5 @@"],
            f"9: the mail ends in hunk 1 of 1 of mm/a.c: 0 of 5 lines are there {WHOLE}",
        ),
        # Each line of a file is in one hunk only.
        (
            [*hunk(10, *ABOVE, NEW, line(11)), *hunk(13, line(11), NEW, line(12), at=12)],
            "14: hunk 2 of 2 does not fit mm/a.c (it would with --fuzz 1)",
        ),
        (
            [*hunk(30, line(29), NEW, line(30)), *hunk(10, *ABOVE, NEW, *BELOW, old=3, new=4)],
            f"13: hunk 2 of 2 does not fit mm/a.c {OTHER_BASE}",
        ),
        (
            [
                *hunk(30, line(29), NEW, line(30)),
                *("@@ -35,0 +37 @@", NEW),
                *hunk(10, *ABOVE, NEW, *BELOW),
            ],
            "15: hunk 3 of 3 fits mm/a.c only at line 10, above the hunk before it " + OTHER_BASE,
        ),
    ],
    ids=[
        "whole",
        "short",
        "the last, and short",
        "no lines at all",
        "the first line is the last of the hunk before",
        "above the hunk before, with other counts",
        "above the hunks before, of which one has no old lines",
    ],
)
def test_why_a_hunk_does_not_fit(lines: list[str], said: str) -> None:
    assert refusal(mail_of(*HEAD, *lines), files={NAME: NUMBERED}) == said


NEEDS_FUZZ = hunk(10, *(" \tother();", line(10), line(11), NEW, line(12), line(13), line(14)))


def test_programs_that_try_more_fuzz_are_logged(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    mail = mail_of(*HEAD, *(text.replace("\t", "") for text in NEEDS_FUZZ))
    said = refusal(mail, files={NAME: NUMBERED}, log=log)
    assert said == "9: hunk 1 of 1 does not fit mm/a.c (it would with --fuzz 1)"
    argv = [json.loads(each)["argv"] for each in (tmp_path / "commands.jsonl").open()]
    assert [Path(words[0]).name for words in argv] == ["clang-format"]


@pytest.mark.parametrize(
    ("effort", "said"),
    [
        (100_000, "9: hunk 1 of 1 does not fit mm/a.c (it would with --fuzz 1)"),
        (700, f"10: hunk 1 of 1 does not fit mm/a.c, which has no line 'other();' {OTHER_BASE}"),
    ],
)
def test_more_fuzz_is_tried_in_the_time_that_is_left(effort: int, said: str) -> None:
    """The second file takes most of it."""
    second = [
        "--- a/mm/b.c",
        "+++ b/mm/b.c",
        *hunk(32, "b();", "c();", "+x();", "a();", old=3, new=4),
    ]
    (mail,) = mails_of(mail_of(*HEAD, *NEEDS_FUZZ, *second), Path("mail"))
    trees = {NAME: NUMBERED, "mm/b.c": TABLE * 4}
    files = {name: FileState(text.encode(), 0o644) for name, text in trees.items()}
    with pytest.raises(InputError) as caught:
        Restorer(mail, files.get, effort=Effort(effort)).restore()
    assert str(caught.value) == f"mail:{said}"


def test_a_removed_line_that_looks_like_a_footer_ends_no_hunk() -> None:
    """The header counts one line less; without the rest of the hunk, it would be three."""
    above, below = ["line(8);", "line(9);"], [f"line({number});" for number in range(11, 15)]
    short = hunk(9, *above, NEW, "-----", *below, old=6, new=6)
    tree = NUMBERED.replace("line(10);", "----")
    (patch,) = restored(mail_of(*HEAD, *short), files={NAME: tree})
    assert after(patch) == {NAME: tree.replace("\t----", "\tnew();")}
    assert repairs(patch)[-1] == ("NUMBERS", NAME, 5, "", False)


def test_two_hunks_without_a_line_between_them() -> None:
    lines = [*hunk(10, *ABOVE, NEW, line(11)), *hunk(14, line(12), NEW, line(13), at=13)]
    (patch,) = restored(mail_of(*HEAD, *lines), files={NAME: NUMBERED})
    text = with_new().replace("\tline(13);", "\tnew();\n\tline(13);")
    assert (after(patch), repairs(patch)) == ({NAME: text}, [])


def test_context_that_was_left_out_moves_no_hunk() -> None:
    tree = NUMBERED + "a();\n" * 10
    second = hunk(47, " a();", "+x();", " a();", at=46)
    mail = mail_of(*HEAD, *NEEDS_FUZZ, *second)
    (patch,) = restored(mail, files={NAME: tree}, fuzz=1)
    lines = [*with_new(12).splitlines(), *["a();"] * 6, "x();", *["a();"] * 4]
    assert after(patch) == {NAME: "".join(f"{text}\n" for text in lines)}
    assert repairs(patch) == [("FUZZ", NAME, 6, "other();", False)]


@pytest.mark.parametrize(
    ("lines", "place", "said"),
    [
        # For line 1 of the original, with less context above than below, but further down.
        (hunk(1, line(4), NEW, line(5), line(6)), 5, ["EDGE", "MOVED +4 lines"]),
        (hunk(1, line(4), NEW, line(5)), 5, ["MOVED +4 lines"]),
        (hunk(1, line(4), line(5), NEW, line(6)), 6, ["MOVED +4 lines"]),
        (hunk(2, line(4), NEW, line(5), line(6)), 5, ["MOVED +3 lines"]),
        # With less below than above, it is for the end only if it has none below.
        (hunk(10, line(9), line(10), line(11), NEW, line(12)), 12, []),
        # Context that fuzz leaves out is context.
        (NEEDS_FUZZ[:5], 12, ["FUZZ other();", "EDGE"]),
        (
            [text.replace("10,", "12,") for text in NEEDS_FUZZ],
            12,
            ["FUZZ other();", "MOVED -2 lines"],
        ),
        # One line above the end of the file is not the end.
        (hunk(38, line(37), line(38), NEW), 39, ["EDGE"]),
        # Other counts in the header: its place is no more reliable than they are.
        (hunk(12, *ABOVE, NEW, *BELOW, old=3, new=4), 11, ["NUMBERS"]),
    ],
)
def test_places_that_are_not_those_of_the_header(
    lines: list[str], place: int, said: list[str]
) -> None:
    if lines == NEEDS_FUZZ[:5]:
        lines = hunk(10, *lines[1:])
    fuzz = int(any("other" in text for text in lines))
    (patch,) = restored(mail_of(*HEAD, *lines), files={NAME: NUMBERED}, fuzz=fuzz)
    assert after(patch) == {NAME: with_new(place)}
    assert [f"{kind} {detail}".rstrip() for kind, _, _, detail, _ in repairs(patch)] == said


def test_of_two_places_that_of_the_header_wins_if_the_other_says_nothing() -> None:
    """Two lines below the stated place, the table has many that are as good."""
    tree = "".join(f"{text}\n" for text in NUMBERED.splitlines()[:20]) + TABLE
    bare = ["@@ -23,3 +24,4 @@", "c();", "a();", "+x();", "b();"]
    mail = mail_of(*HEAD, *hunk(8, line(9), NEW, line(10)), *bare)
    (patch,) = restored(mail, files={NAME: tree})
    assert after(patch)[NAME].splitlines().index("x();") == 25
    assert ("MOVED", NAME, 5, "+2 lines", True) in repairs(patch)
    assert [each for each in repairs(patch) if each[2] == 9] == []


@pytest.mark.parametrize(("letters", "sure"), [(44, False), (45, True)])
def test_a_line_of_code_was_wrapped_surely_only_if_it_is_long(letters: int, sure: bool) -> None:
    first = f"\tn({'x' * letters},"
    lines = [*ABOVE, f"+{first}", "b);", *BELOW]
    (patch,) = restored(mail_of(*HEAD, *hunk(10, *lines, old=4, new=5)), files={NAME: NUMBERED})
    assert after(patch) == {NAME: with_new(text=f"{first} b);")}
    assert repairs(patch) == [("WRAPPED", NAME, 8, "", sure)]


EIGHT = " " * 8


@pytest.mark.parametrize(
    ("removed", "added", "applied"),
    [
        ([f"{EIGHT}line(10);", f"{EIGHT}line(11);"], ["\tline(10);", "\tline(11);"], True),
        ([f"{EIGHT}line(10);", "\tline(11);"], ["\tline(10);", f"{EIGHT}line(11);"], False),
        (["\tline(10);", "\tline(11);"], ["\tline(10);", f"{EIGHT}line(11);"], False),
        ([f"{EIGHT}line(10);", "\tline(11);"], ["    line(10);", "\tline(11);"], False),
    ],
)
def test_a_change_of_white_space_is_applied_if_the_tree_has_all_of_it(
    removed: list[str], added: list[str], applied: bool
) -> None:
    body = [line(9), *(f"-{text}" for text in removed), *(f"+{text}" for text in added), line(12)]
    mail = mail_of(*HEAD, *hunk(10, *body))
    if applied:
        said = refusal(mail, files={NAME: NUMBERED})
        assert "hunk 1 of 1 is in mm/a.c already: it applies in reverse" in said
        return
    (patch,) = restored(mail, files={NAME: NUMBERED})
    text = "".join(f"{each}\n" for each in added)
    assert after(patch) == {NAME: NUMBERED.replace("\tline(10);\n\tline(11);\n", text)}


def test_a_change_of_white_space_in_the_first_line_is_applied() -> None:
    body = hunk(1, f"-{EIGHT}line(0);", "+\tline(0);", line(1))
    assert refusal(mail_of(*HEAD, *body), files={NAME: NUMBERED}) == (
        "9: hunk 1 of 1 is in mm/a.c already: it applies in reverse (give a tree without the patch)"
    )


def test_the_first_sixty_letters_of_a_line_name_it() -> None:
    long = f"other({'x' * 90});"
    lines = hunk(10, line(9), f"-\t{long}", NEW, line(10))
    said = refusal(mail_of(*HEAD, *lines), files={NAME: NUMBERED})
    assert f"which has no line {long[:60]!r} (" in said
    lines = [*hunk(10, *ABOVE, NEW, *BELOW), f" {long}"]
    said = refusal(mail_of(*HEAD, *lines), files={NAME: NUMBERED})
    assert f"unexpected line after hunk 1 of 1 of mm/a.c: {f' {long}'[:60]!r} (" in said


def test_a_line_of_a_hunk_without_marks_may_be_no_context() -> None:
    bare = [text if text[0] in "@+" else text.strip() for text in NEEDS_FUZZ]
    assert refusal(mail_of(*HEAD, *bare), files={NAME: NUMBERED}) == (
        "10: hunk 1 of 1 does not fit mm/a.c, which has no line 'other();' (it would with --fuzz 1)"
    )


def test_a_hunk_that_fits_with_more_fuzz_is_not_said_to_be_above() -> None:
    tree = f"{NUMBERED}\tother();\n" + "".join(f"\tline({n});\n" for n in (10, 11, 12))
    lines = [*hunk(30, line(29), NEW, line(30)), *hunk(10, *ABOVE, NEW, *BELOW)]
    assert refusal(mail_of(*HEAD, *lines), files={NAME: tree}) == (
        "13: hunk 2 of 2 does not fit mm/a.c (it would with --fuzz 1)"
    )


def test_a_hunk_as_it_stands_takes_a_step_and_one_more_for_eight_lines() -> None:
    def steps(*lines: str) -> int:
        (mail,) = mails_of(mail_of(*HEAD, *lines), Path("mail"))
        effort = Effort(10_000)
        files = {NAME: FileState(NUMBERED.encode(), 0o644)}
        Restorer(mail, files.get, effort=effort).restore()
        return 10_000 - effort.left

    short = hunk(2, line(1), NEW, line(2))
    second = hunk(11, line(9), NEW, line(10), at=10)
    assert steps(*short, *second) - steps(*short) == 1
    long = hunk(2, line(1), NEW, *(line(number) for number in range(2, 30)))
    assert steps(*long) - steps(*short) == 3


def test_two_places_are_named_as_places() -> None:
    said = "9: hunk 1 of 1 fits mm/a.c equally well at lines 2, 5"
    mail = mail_of(*HEAD, *hunk(90, " b();", "+x();", " c();"))
    files = {NAME: "a();\nb();\nc();\n" * 2}
    assert refusal(mail, files=files) == f"{said} (--interactive shows them and asks)"


def test_a_line_less_than_is_counted_is_a_miscount_if_there_is_one_place() -> None:
    lines = [
        *hunk(10, *ABOVE, NEW, *BELOW, old=5, new=6),
        *hunk(31, line(29), NEW, line(30), at=30),
    ]
    (patch,) = restored(mail_of(*HEAD, *lines), files={NAME: NUMBERED})
    assert after(patch) == {NAME: with_new().replace("\tline(30);", "\tnew();\n\tline(30);")}
    assert repairs(patch) == [("NUMBERS", NAME, 5, "", False)]


@pytest.mark.parametrize(
    ("wide", "said"),
    [
        # The line may be the rest of the one above it, unless the mail has wider lines.
        ([], "9: hunk 1 of 1 does not fit mm/a.c"),
        (
            [f"+\tw({'b' * 90});"],
            "14: hunk 1 of 1 does not fit mm/a.c, which has no line 'other();'",
        ),
    ],
)
def test_a_line_that_the_tree_has_not_may_be_the_rest_of_another(
    wide: list[str], said: str
) -> None:
    old = [f"line({number});" for number in (9, 10, 31, 12, 13)]
    lines = [*wide, *old[:2], f"+\tnew({'a' * 58},", "other();", *old[2:]]
    mail = mail_of(*HEAD, f"@@ -10,6 +10,{7 + len(wide)} @@", *lines)
    assert refusal(mail, files={NAME: NUMBERED}) == f"{said} {OTHER_BASE}"


@pytest.mark.parametrize("below", [SIGNATURE, ["A remark."], ["A remark.", "", *SIGNATURE]])
def test_what_is_below_a_hunk_without_marks_is_no_line_of_it(below: list[str]) -> None:
    bare = [text.strip() for text in (*ABOVE, NEW, *BELOW)]
    mail = mail_of(*HEAD, "@@ -10,4 +10,5 @@", *bare, *below)
    (patch,) = restored(mail, files={NAME: NUMBERED})
    assert after(patch) == {NAME: with_new()}


def test_fuzz_leaves_a_line_that_shows_the_place() -> None:
    mail = mail_of(*HEAD, *hunk(10, " \tother();", NEW))
    for fuzz in (0, 1, 2):
        assert refusal(mail, files={NAME: NUMBERED}, fuzz=fuzz) == (
            f"10: hunk 1 of 1 does not fit mm/a.c, which has no line 'other();' {OTHER_BASE}"
        )
