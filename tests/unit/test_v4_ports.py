"""The ports of v4 to the trees of 2008, compared with the archived mail and with each other."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
from memnotify.places import PATCHES
from memnotify.series.apply import Application, FileState, apply_series
from memnotify.series.quilt import Series, load_series
from unidiff.patch import PatchSet

from tests.support.madetree import made_up_tree

MM1 = "2.6.24-rc6-mm1"
BASES = ("2.6.24", MM1, "2.6.25")


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
    # An archive leaves one blank for white space inside a line, and none at its start.
    def shrunk(text: str) -> list[str]:
        words = (" ".join(line.lstrip(" ").split()) for line in text.splitlines())
        return [line for line in words if line]

    mail = (PATCHES / "mem_notify/v4/original/3-of-5.txt").read_text()
    start = "Index: linux-2.6.24-rc6-mm1-memnotify/drivers/char/mem.c"
    ours = shrunk(text_of(base, 3)[text_of(base, 3).index(start) :])
    theirs = shrunk(mail[mail.index(start) :])
    assert ours == theirs[: len(ours)]
    assert theirs[len(ours)] == "--"


@pytest.mark.parametrize("base", ["2.6.24", "2.6.25"])
@pytest.mark.parametrize("number", [1, 3, 4, 5, 6])
def test_all_ports_add_the_same_lines(number: int, base: str) -> None:
    assert added(MM1, number) == added(base, number)


def test_where_the_hunk_of_the_scheduler_stands_on_its_own_base() -> None:
    (scheduler,) = (file for file in PatchSet(text_of(MM1, 2)) if file.path == "kernel/sched.c")
    assert [hunk.source_start for hunk in scheduler] == [3837]
    assert "fastcall" not in str(scheduler)


def changed_lines_digest(text: str) -> str:
    """Return the SHA-256 over the changed lines of a patch, without white space and addresses.

    Each line is its sign and the rest without any white space; lines are not separated. An archive
    masks addresses, so everything in angle brackets with an @ is removed.
    """
    lines = []
    for file in PatchSet(text):
        for hunk in file:
            for line in hunk:
                if line.is_added or line.is_removed:
                    words = "".join(line.value.split())
                    lines.append(line.line_type + re.sub(r"<[^<>]*@[^<>]*>", "", words))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("base", BASES)
def test_the_changed_lines_of_the_third_patch_are_those_of_the_mail(base: str) -> None:
    # The digest of the mail itself, from a different archive from the text's.
    mail = "056c880fcbfe9513755da4025cf0309c7aea19ef6cd758d70b02a7223c33bd43"
    assert changed_lines_digest(text_of(base, 3)) == mail


def test_the_third_patch_for_2_6_25_is_that_for_its_own_base() -> None:
    assert text_of("2.6.25", 3) == text_of(MM1, 3)


@pytest.mark.parametrize("revision", ["v5", "v6"])
def test_v5_and_v6_change_the_same_in_2_6_25_as_in_2_6_24(revision: str) -> None:
    def changes(path: Path) -> Counter[str]:
        return Counter(
            f"{file.path} {line.value}"
            for file in PatchSet(path.read_text())
            for hunk in file
            for line in hunk
            if line.is_added
        )

    for one, other in zip(
        load_series(revision, "2.6.24").patches,
        load_series(revision, "2.6.25").patches,
        strict=True,
    ):
        assert one.name == other.name
        added_here, added_there = changes(one.path), changes(other.path)
        number = one.name[:4]
        if number == "0002":  # there, the modes have a name, and epoll needs no change
            assert {line.partition(" ")[0] for line in added_there} == {
                "include/linux/wait.h",
                "kernel/sched.c",
            }
        elif number == "0006":  # there, it is in a branch, so indented further
            assert code(added_there) == code(added_here)
        else:
            assert added_here == added_there


def code(lines: Counter[str]) -> set[str]:
    """Return lines without their indentation, and without comments."""
    words = {" ".join(line.split()) for line in lines}
    return {line for line in words if not line.split(" ", 1)[1].startswith("*")}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("number", [1, 2, 4, 5, 6])
def test_what_is_ours_says_so(base: str, number: int) -> None:
    head = text_of(base, number).partition("\n---\n")[0]
    assert head.startswith("From: mem_notify testbed <>\n")
    assert "Signed-off-by" not in head
    wanted = "the original has no such line" if number == 6 else f"description of patch {number}/5"
    assert wanted in " ".join(head.split())
