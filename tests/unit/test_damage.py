"""How an archive changed white space, where the tree has no line to compare with."""

from __future__ import annotations

from memnotify.mailpatch.whitespace import KEPT, LOST, Witness, infer_damage


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
