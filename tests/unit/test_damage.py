"""How an archive changed white space, where the tree has no line to compare with."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.whitespace import KEPT, LOST, Damage, Fate, Space, Witness, infer_damage


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
