"""The ports of v4 to the trees of 2008, held against the archived mail and against each other."""

from __future__ import annotations

from collections import Counter

import pytest
from madetree import made_up_tree
from unidiff import PatchSet

from orchestrator.places import PATCHES
from orchestrator.series.apply import Application, FileState, apply_series
from orchestrator.series.quilt import Series, load_series

MM1 = "2.6.24-rc6-mm1"
BASES = ("2.6.24", MM1)


def v4(base: str) -> Series:
    return load_series("v4", base)


def text_of(base: str, number: int) -> str:
    return v4(base).patches[number - 1].path.read_text()


def added(base: str, number: int) -> Counter[str]:
    patch = PatchSet(text_of(base, number))
    return Counter(line.value for file in patch for hunk in file for line in hunk if line.is_added)


def apply(series: Series, tree: dict[str, FileState]) -> Application:
    return apply_series(series, tree.get)


def test_on_its_own_base_nothing_is_shifted_and_no_fuzz_is_allowed() -> None:
    series = v4(MM1)
    assert [patch.fuzz for patch in series.patches] == [0] * 6
    done = apply(series, made_up_tree(series))
    assert [patch.shifted for patch in done.patches] == [()] * 6
    new = {name for name, state in done.files.items() if state and name not in made_up_tree(series)}
    assert new == {"mm/mem_notify.c", "include/linux/mem_notify.h"}


def test_the_line_of_pagewalk_is_what_the_release_lacks() -> None:
    tree = made_up_tree(v4(MM1))
    makefile = tree["mm/Makefile"].data
    assert b"pagewalk.o" in makefile
    tree["mm/Makefile"] = FileState(
        b"".join(line for line in makefile.splitlines(True) if b"pagewalk" not in line), 0o644
    )
    third = Series(revision="v4", base="2.6.24", patches=v4("2.6.24").patches[2:3])
    (done,) = apply(third, tree).patches
    assert {(hunk.file, hunk.fuzz) for hunk in done.shifted} == {("mm/Makefile", 2)}


@pytest.mark.parametrize("base", BASES)
def test_the_third_patch_is_the_archived_mail(base: str) -> None:
    # An archive leaves of white space one blank inside a line, and none at its start.
    def shrunk(text: str) -> list[str]:
        words = (" ".join(line.lstrip(" ").split()) for line in text.splitlines())
        return [line for line in words if line]

    mail = (PATCHES / "mem_notify/v4/original/3-of-5.txt").read_text()
    start = "Index: linux-2.6.24-rc6-mm1-memnotify/drivers/char/mem.c"
    ours = shrunk(text_of(base, 3)[text_of(base, 3).index(start) :])
    theirs = shrunk(mail[mail.index(start) :])
    assert ours == theirs[: len(ours)]
    assert theirs[len(ours)] == "--"


@pytest.mark.parametrize("number", [1, 3, 4, 5, 6])
def test_both_ports_add_the_same_lines(number: int) -> None:
    assert added(MM1, number) == added("2.6.24", number)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("number", [1, 2, 4, 5, 6])
def test_what_is_ours_says_so(base: str, number: int) -> None:
    head = text_of(base, number).partition("\n---\n")[0]
    assert head.startswith("From: mem_notify testbed\n")
    assert "Signed-off-by" not in head
    wanted = "the original has no such line" if number == 6 else f"description of patch {number}/5"
    assert wanted in " ".join(head.split())
