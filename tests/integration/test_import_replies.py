"""Answers in a thread: what they quote is no patch, and what they propose is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.silent import (
    FIRST,
    HEADERS,
    LOCK,
    OTHER,
    SECOND,
    again,
    diff,
    made,
    note,
    odd_tree,
    quoted,
    run,
    unsure,
    write,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return odd_tree(tmp_path)


PATCH = diff("mm/a.c", FIRST.format(8, LOCK), SECOND)


def answer(file: Path, lines: list[str], subject: str = "Re: " + HEADERS["Subject"]) -> Path:
    return write(file, lines, subject, head=["On Tuesday, Ada wrote:"])


def test_an_answer_that_is_taken_for_a_patch_is_named(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trimmed = quoted(diff("mm/a.c", FIRST.format(8, LOCK)))
    mails = [
        write(tree.parent / "2", note("n.txt", "x"), "[PATCH 2/2] note"),
        answer(tree.parent / "trimmed", [*trimmed, "", "Why?"]),
        answer(tree.parent / "whole", [*quoted(PATCH), "", "Nice."]),
    ]
    assert unsure(capsys, tree, *mails[:2]) == ["taken from an answer"]
    shutil.rmtree(tree.parent / "out")
    assert run(tree, *mails) == 0
    said = capsys.readouterr().out
    assert "taken from an answer [likely]\n" in said
    assert f"{mails[2]}: “Re: [PATCH 1/2] dim the lamps” is an answer: what it does not qu" in said
    assert f"{mails[1]}: “Re: [PATCH 1/2] dim the lamps” only quotes a patch: left out" in said
    assert "\tb = 2;\n" in made(tree)["mm/a.c"]
    assert again(tree)


@pytest.mark.parametrize(("word", "count"), [("+1 for that", 9), ("+1 for that", 8), ("Why?", 8)])
def test_a_word_between_quoted_lines_is_not_added(
    tree: Path, capsys: pytest.CaptureFixture[str], word: str, count: int
) -> None:
    lines = quoted(PATCH)
    lines.insert(lines.index("> +\tunlock(b);"), word)
    lines[2] = lines[2].replace("+3,8", f"+3,{count}")
    assert run(tree, answer(tree.parent / "m", lines)) == 2
    assert "does not fit mm/a.c" in capsys.readouterr().err


@pytest.mark.parametrize("total", [True, False], ids=["numbered", "alone"])
def test_a_counter_proposal_is_no_quotation(
    tree: Path, capsys: pytest.CaptureFixture[str], total: bool
) -> None:
    subject = HEADERS["Subject"] if total else "[PATCH] dim the lamps"
    patch = write(tree.parent / "1", PATCH, subject)
    other = [line.replace("b + 2", "b + 3") for line in PATCH]
    proposal = answer(tree.parent / "2", ["How about this?", "", *other], "Re: " + subject)
    assert run(tree, proposal, patch) == 0
    said = capsys.readouterr().out
    assert f"{proposal}: “Re: {subject}” is an answer with a diff of its own: left out" in said
    assert "\tb = b + 2;\n" in made(tree)["mm/a.c"]
    shutil.rmtree(tree.parent / "out")
    assert run(tree, proposal) == 0
    assert "and its diff may not be the patch of that name" in capsys.readouterr().out
    assert "\tb = b + 3;\n" in made(tree)["mm/a.c"]


def test_an_answer_that_quotes_and_proposes_is_no_patch(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*quoted(PATCH), "", "And then:", "", *diff("mm/b.c", OTHER)]
    both = answer(tree.parent / "m", lines)
    assert run(tree, both) == 2
    assert "quotes a patch and has another of its own" in capsys.readouterr().err
    second = write(tree.parent / "2", note("n.txt", "x"), "[PATCH 2/2] note")
    assert run(tree, both, second) == 0
    said = capsys.readouterr().out
    assert "is an answer with a diff of its own: left out" in said
    assert "missing: 1/2" in said


def test_a_diff_that_is_quoted_below_another_is_not_its_end(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*note("mm/n.c", "int x;"), *quoted(PATCH)]
    assert run(tree, answer(tree.parent / "m", lines)) == 2
    assert "quotes a patch and has another of its own" in capsys.readouterr().err


def test_what_is_put_together_without_need_is_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = write(tree.parent / "m", [*note("mm/n.c", "int x;"), "Thanks, Ada"])
    assert unsure(capsys, tree, mail) == ["wrapped lines put together"]
    wide = "int a_function_with_a_long_name(struct lamp *lamp, struct lamp"
    mail = write(tree.parent / "n", [*note("mm/n.c", wide), "*other);"])
    shutil.rmtree(tree.parent / "out")
    assert unsure(capsys, tree, mail) == []


def test_an_answer_to_a_cover_letter_is_no_patch(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mails = [
        write(tree.parent / "1", PATCH),
        answer(tree.parent / "0", note("n.txt", "x"), "Re: [PATCH 0/2] lamps"),
    ]
    assert run(tree, *mails) == 0
    assert "is an answer with a diff of its own: left out" in capsys.readouterr().out
    assert list(made(tree)) == ["mm/a.c"]
