"""The differential program: few commits of a real history, and whether it can say WRONG at all."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.repairs import Repair, RepairKind
from memnotify.mailpatch.restore_series import Imported

from tests.differential.mails import Tally, report, run_task, tally_of, tasks_of
from tests.support.history import VARIABLE, History, Reader
from tests.support.made_history import made_history
from tests.support.mail_forms import KINDS
from tests.support.verdicts import Importer, Tree, Verdict, importer

COMMITS, EACH = 13, 4


def tally(
    repository: Path,
    commits: int,
    each: int,
    imports: Importer = importer,
    kinds: Sequence[str] = (),
) -> Tally:
    history = History(repository)
    try:
        tasks = tasks_of(history, commits, each, 3, kinds)
        return tally_of(run_task(history, task, imports) for task in tasks)
    finally:
        history.close()


def verdicts(found: Tally, tree: Tree) -> set[Verdict]:
    return {verdict for _, at, verdict in found.counts if at is tree}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_history(tmp_path_factory.mktemp("history") / "repository")


def test_commits_of_a_real_history() -> None:
    place = os.environ.get(VARIABLE)
    if not place:
        pytest.skip(f"{VARIABLE} names no git repository with a kernel's history")
    found = tally(Path(place), COMMITS, EACH)
    assert [
        failure.judgement for failure in found.failures if failure.judgement.verdict.failed
    ] == []
    assert found.mails >= (COMMITS - found.unusable.total()) * EACH >= 40


def test_commits_of_a_made_up_history(made: Path) -> None:
    """Each in every form, and with every damage."""
    found = tally(made, 99, 99)
    assert [
        failure.judgement for failure in found.failures if failure.judgement.verdict.failed
    ] == []
    kinds = {kind for kind, _, _ in found.counts}
    # No line of this history is long enough to be wrapped, and none has an address to mask.
    assert kinds >= set(KINDS) - {"wrapped", "masked"}
    assert found.mails > 150
    lines = list(report(found))
    assert any(line.startswith("base64 ") and line.split()[1:3] == ["7", "7"] for line in lines)


def changed(patch: Imported, old: bytes, new: bytes) -> Imported:
    assert old in patch.data
    return dataclasses.replace(patch, data=patch.data.replace(old, new, 1))


def other_letter(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
    patch = importer(mails, read, fuzz)
    at = patch.data.find(b"\n+", patch.data.find(b"\n@@ "))
    end = patch.data.find(b"\n", at + 2)
    line = patch.data[at:end]
    return changed(patch, line + b"\n", line + b"x\n") if at > 0 else patch


def other_place(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
    """Move an added line above the one before it."""
    patch = importer(mails, read, fuzz)
    lines = patch.data.split(b"\n")
    begin = next(n for n, line in enumerate(lines) if line.startswith(b"@@ "))
    at = next((n for n in range(begin + 2, len(lines)) if lines[n][:1] == b"+"), None)
    if at is None or lines[at - 1][:1] != b" ":
        return patch
    lines[at - 1 : at + 1] = [lines[at], lines[at - 1]]
    return dataclasses.replace(patch, data=b"\n".join(lines))


def other_author(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
    return changed(importer(mails, read, fuzz), b"ada@example.org", b"eve@example.org")


def no_message(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
    patch = importer(mails, read, fuzz)
    head, _, rest = patch.data.partition(b"\n\n")
    return dataclasses.replace(patch, data=head + b"\n\n---\n" + rest.partition(b"\n---\n")[2])


def crashes(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
    raise ValueError("a bug")


@pytest.mark.parametrize("broken", [other_letter, other_place, other_author, no_message, crashes])
def test_a_wrong_result_is_called_wrong(made: Path, broken: Importer) -> None:
    kinds = ("base64", "raw", "lkml.org")
    found = tally(made, 99, 3, broken, kinds)
    assert found.failed >= 3
    assert Verdict.WRONG in verdicts(found, Tree.PARENT)
    assert any("WRONG" in line for line in report(found))


def test_a_wrong_result_that_is_said_to_be_doubtful_is_counted_as_that(made: Path) -> None:
    def doubts(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
        patch = other_letter(mails, read, fuzz)
        doubt = Repair(kind=RepairKind.UNSURE, sure=False)
        return dataclasses.replace(patch, repairs=(*patch.repairs, doubt))

    found = tally(made, 99, 1, doubts, ("base64",))
    assert Verdict.DOUBTED in verdicts(found, Tree.PARENT)
    assert Verdict.WRONG not in verdicts(found, Tree.PARENT)


def refusing(text: str) -> Importer:
    def refuse(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
        raise InputError(text, file="mail", hint="get the whole mail")

    return refuse


REASONS = (
    "the mail lacks lines in hunk 1 of 1 of mm/lamp.c: 6 of 7 lines are there",
    "hunk 1 of 1 does not fit mm/lamp.c, which has no line 'return level;'",
    "hunk 1 of 1 does not fit mm/lamp.c: its lines are there, but not together in this order",
    "creates mm/lamp.c, which exists with other lines",
    "changes mm/lamp.c, which is not in the tree",
    "a string of mm/lamp.c was wrapped: is there a blank where the line ends?",
    "it has no diff",
)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_that_is_not_true_is_found_out(made: Path, reason: str) -> None:
    sound = tally(made, 99, 1, refusing(reason), ("base64",))
    assert verdicts(sound, Tree.PARENT) == {Verdict.SOUND}
    damaged = tally(made, 99, 1, refusing(reason), ("expanded",))
    assert Verdict.FALSE in verdicts(damaged, Tree.PARENT)


def test_fuzz_that_does_not_help_is_found_out(made: Path) -> None:
    hint = "hunk 1 of 1 does not fit mm/lamp.c (it would with --fuzz 2)"
    found = tally(made, 99, 1, refusing(hint), ("expanded",))
    assert Verdict.FALSE in verdicts(found, Tree.PARENT)


def test_a_patch_that_is_taken_twice_is_found_out(made: Path) -> None:
    """By an importer that looks at a different tree from the one it is given."""
    history = History(made)
    tasks = tasks_of(history, 99, 1, 3, ("raw",))
    seen: list[Reader] = []

    def always(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
        seen.append(read)
        return importer(mails, seen[0], fuzz)

    for task in tasks:
        seen.clear()
        found = tally_of(iter([run_task(history, task, always)]))
        assert verdicts(found, Tree.COMMIT) == {Verdict.TWICE}
    history.close()
