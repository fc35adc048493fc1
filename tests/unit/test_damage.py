"""How an archive changed white space, where the tree has no line to compare with."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.whitespace import (
    KEPT,
    LOST,
    Damage,
    Fate,
    Space,
    Witness,
    gaps_of,
    infer_damage,
    lead_of,
    unexpand,
)


def test_a_tab_between_words_shows_that_such_tabs_were_kept() -> None:
    assert infer_damage([], ["#define FOO(x)\tbar(x)", "#define LONGER(x)\t\tbaz(x)"]).inner == KEPT
    assert infer_damage([], ["#define FOO(x) bar(x)"]).inner == LOST


def test_it_shows_nothing_of_the_beginnings_of_lines() -> None:
    eaten = [Witness("\tint x;", "int x;", removed=False)]
    damage = infer_damage(eaten, ["#define FOO(x)\tbar(x)"])
    assert (damage.lead, damage.inner) == (LOST, KEPT)


def test_wide_gaps_show_that_blanks_were_not_run_together() -> None:
    assert infer_damage([], ["a  b"]).inner == KEPT
    assert infer_damage([], ["\u3000a\u3000\u3000b"]).inner == LOST


EXPANDED, SHIFTED = Space(Fate.EXPANDED), Space(Fate.EXPANDED, 1)


@pytest.mark.parametrize(
    ("witnesses", "added", "damage"),
    [
        ([Witness("\tif", f"{' ' * 9}if", False)], [], Damage(EXPANDED, EXPANDED)),
        ([Witness("\tif", f"-{' ' * 8}if", True)], [], Damage(EXPANDED, EXPANDED)),
        # The marker of context is gone.
        ([Witness("\tif", "\tif", False)], [], Damage(KEPT, KEPT)),
        ([Witness("int\tone", " int     one", False)], [], Damage(LOST, EXPANDED)),
        ([Witness("a\tb", "-a       b", True)], [], Damage(LOST, EXPANDED)),
        ([], ["\tif"], Damage(KEPT, KEPT)),
        ([], [f"{' ' * 8}if"], Damage(EXPANDED, EXPANDED)),
        ([], [f"{' ' * 7}if"], Damage(SHIFTED, SHIFTED)),
    ],
)
def test_what_became_of_white_space(
    witnesses: list[Witness], added: list[str], damage: Damage
) -> None:
    assert infer_damage(witnesses, added) == damage


def test_a_quoted_mail_shifts_the_columns_of_its_tabs() -> None:
    """With the marker, a single blank is left of a tab when seven were before it."""
    for shift in range(7):
        lead = " " * (8 - shift)
        found = infer_damage([Witness("\tif", f" {lead}if", False)], [])
        assert found.lead == Space(Fate.EXPANDED, shift)
    assert infer_damage([Witness("\tif", "  if", False)], []).lead == Space(Fate.EXPANDED, 6)


@pytest.mark.parametrize(
    ("witnesses", "damage"),
    [
        ([], Damage(KEPT, KEPT)),
        ([Witness("\tif", " \tif", False)], Damage(KEPT, KEPT)),
        ([Witness("a\tb", " a\tb", False)], Damage(KEPT, KEPT)),
        ([Witness("\tif  ", " \tif", False)], Damage(KEPT, KEPT)),
        ([Witness("a b", " a b", False)], Damage(KEPT, KEPT)),
        ([Witness("a\t", " a", False)], Damage(KEPT, KEPT)),
        ([Witness("", " ", False)], Damage(KEPT, KEPT)),
        ([Witness("\tif", f" {' ' * 8}if", False)], Damage(EXPANDED, EXPANDED)),
        ([Witness("a\tb", " a       b", False)], Damage(EXPANDED, EXPANDED)),
        ([Witness("\ta\tb", f" {' ' * 8}a       b", False)], Damage(EXPANDED, EXPANDED)),
        ([Witness("\tif", " if", False)], Damage(LOST, LOST)),
        (
            [Witness("\tif", f" {' ' * 8}if", False), Witness("c  d", " c  d", False)],
            Damage(EXPANDED, KEPT),
        ),
        # One line with its tab shows more than others without.
        ([Witness("\tif", " if", False), Witness("\tx", " \tx", False)], Damage(KEPT, KEPT)),
    ],
)
def test_white_space_of_a_sound_mail_was_kept_unless_lines_agree_on_something_else(
    witnesses: list[Witness], damage: Damage
) -> None:
    assert infer_damage(witnesses, [f"{' ' * 8}x  y"], sound=True) == damage


@pytest.mark.parametrize(
    ("added", "damage"),
    [
        ([f"{' ' * 8}a  b"], Damage(EXPANDED, EXPANDED)),
        ([f"{' ' * 8}a\tb"], Damage(EXPANDED, KEPT)),
        ([f"{' ' * 15}a"], Damage(SHIFTED, SHIFTED)),
        ([f"{' ' * 16}a", "b"], Damage(EXPANDED, EXPANDED)),
        ([" a", "b"], Damage(LOST, LOST)),
        ([" a", "  b"], Damage(EXPANDED, EXPANDED)),
        (["a b"], Damage(LOST, LOST)),
        (["a\tb"], Damage(LOST, KEPT)),
        ([" \ta", f"{' ' * 15}a"], Damage(KEPT, KEPT)),
        ([], Damage(LOST, LOST)),
    ],
)
def test_without_a_tree_the_added_lines_tell(added: list[str], damage: Damage) -> None:
    assert infer_damage([], added) == damage
    assert infer_damage([Witness("  ", "x\ty", False)], added) == damage


@pytest.mark.parametrize(
    ("witnesses", "lead"),
    [
        # The marker of context was removed everywhere or nowhere.
        ([Witness("\tif", "\tif", False), Witness("int x;", "int x;", False)], KEPT),
        ([Witness("\tif", " \tif", False), Witness("int x;", " int x;", False)], KEPT),
        ([Witness("\tif", "\tif", False), Witness("\tx", "-\tx", True)], KEPT),
        ([Witness("\tif", "\t\tif", False)], KEPT),
        ([Witness("\tif", " if", False)], LOST),
        ([Witness("\tif", "if", False), Witness("\tx", "-x", True)], LOST),
        ([Witness("  if", " if", False), Witness("\tx", " x", False)], LOST),
        ([Witness("\tif", f"{' ' * 8}if", False), Witness("x", "x", False)], EXPANDED),
    ],
)
def test_what_became_of_the_beginnings_of_lines(witnesses: list[Witness], lead: Space) -> None:
    assert infer_damage(witnesses, ["a"]).lead == lead


@pytest.mark.parametrize(
    ("witnesses", "inner"),
    [
        ([Witness("a\tb c", " a\tb c", False)], KEPT),
        ([Witness("a  b", " a  b", False)], KEPT),
        ([Witness("a  b", " a b", False)], LOST),
        ([Witness("a\tb", "-a b", True)], LOST),
        ([Witness("abcdefg\tb", " abcdefg b", False)], LOST),  # or it was one blank wide
        ([Witness("abcdefg\tb\tc", " abcdefg b       c", False)], EXPANDED),
        ([Witness("a\tb", " a       b", False), Witness("a\tb", " a b", False)], LOST),
        ([Witness("a\tb  ", " a\tb", False)], KEPT),
        ([Witness("  a\tb", "   a     b", False)], EXPANDED),
        ([Witness("abcdef\tb", " abcdef  b", False)], EXPANDED),
        ([Witness("\ta  b", "-\ta  b", True)], KEPT),
        ([Witness("a  b", "a  b", False)], KEPT),
        ([Witness("\tif x", " if x", False)], LOST),  # as at its beginning
    ],
)
def test_what_became_of_the_gaps_between_words(witnesses: list[Witness], inner: Space) -> None:
    assert infer_damage(witnesses, ["\ta"]).inner == inner


def test_white_space_at_the_beginning_and_between_words() -> None:
    assert lead_of("\t  x y") == "\t  "
    assert lead_of("x") == ""
    assert lead_of("\u3000x") == ""
    assert gaps_of("\ta  b\tc d ") == ["  ", "\t", " "]


@pytest.mark.parametrize(
    ("width", "shift", "lead"),
    [
        (0, 0, ""),
        (7, 0, " " * 7),
        (8, 0, "\t"),
        (12, 0, "\t    "),
        (16, 0, "\t\t"),
        (6, 1, " " * 6),
        (7, 1, "\t"),
        (8, 1, "\t "),
        (15, 1, "\t\t"),
    ],
)
def test_blanks_become_tabs_as_the_kernel_has_them(width: int, shift: int, lead: str) -> None:
    assert unexpand(width, shift=shift) == lead
    assert shift or unexpand(width) == lead
