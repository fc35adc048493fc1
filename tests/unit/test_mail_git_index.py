"""git's index lines, which tell how many blanks a string had."""

from __future__ import annotations

import hashlib

import pytest
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import Lines, OpenFile
from memnotify.mailpatch.git_index import confirmed, is_base, is_result, is_stated
from memnotify.mailpatch.raw import Line, RawDiff, RawHunk
from memnotify.mailpatch.reading import LineKind, Part, Reading

OLD = b"int one;\nint three;\n"


def digest(data: bytes) -> str:
    """Return the name that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def opened(
    added: list[str], blobs: tuple[str, str], *, before: str | None = "f", after: str | None = "f"
) -> OpenFile:
    """Return a file to which lines are added after its first."""
    old = Lines.of(OLD if before else b"")
    raw = RawHunk(
        line=3,
        old_start=1,
        old_count=2,
        new_start=1,
        new_count=4,
        section="f()",
        body=(),
        last=True,
    )
    diff = RawDiff(line=1, before="f", after="f", extended=(), hunks=(raw,), blobs=blobs)
    mail = [Line(number=5 + at, text=f"+{text}") for at, text in enumerate(added)]
    lines = [Part(kind=LineKind.ADDED, mail=(line,)) for line in mail]
    context = [Part(kind=LineKind.CONTEXT, tree=at) for at in range(len(old.lines))]
    parts = (*context[:1], *lines, *context[1:])
    reading = Reading(start=0, parts=parts, cost=0, counted=True, rest=())
    return OpenFile(diff, before, after, old, [(raw, reading)])


def with_added(*lines: str) -> bytes:
    first, last, _ = OLD.decode().split("\n")
    return "".join(f"{line}\n" for line in (first, *lines, last)).encode()


@pytest.mark.parametrize(
    ("blobs", "before", "after", "stated"),
    [
        ((digest(OLD)[:7], "1234567"), "f", "f", True),
        ((digest(OLD), "1234567"), "f", "f", True),
        ((digest(OLD)[:7], ""), "f", "f", False),
        (("1234567", "1234567"), "f", "f", False),
        (("", ""), "f", "f", False),
        ((digest(OLD)[:7], "0000000"), "f", None, False),
        (("0000000", "1234567"), None, "f", True),
        (("1234567", "1234567"), None, "f", False),
    ],
)
def test_a_digest_counts_if_the_old_file_is_the_one_that_is_stated(
    blobs: tuple[str, str], before: str | None, after: str | None, stated: bool
) -> None:
    assert is_stated(opened([], blobs, before=before, after=after)) is stated


@pytest.mark.parametrize(
    ("blobs", "before", "after", "result"),
    [
        (("1234567", digest(OLD)[:7]), "f", "f", True),
        (("1234567", digest(OLD)), "f", "g", True),
        (("1234567", "7654321"), "f", "f", False),
        (("1234567", ""), "f", "f", False),
        ((digest(OLD)[:7], digest(OLD)[:7]), "f", "f", False),
        # Of two abbreviations that both fit, neither shows anything.
        ((digest(OLD)[:8], digest(OLD)[:7]), "f", "f", False),
        (("0000000", digest(b"")), None, "f", False),
        (("1234567", digest(OLD)[:7]), "f", None, False),
    ],
)
def test_a_file_is_the_result_if_its_digest_is_that_of_the_new_file(
    blobs: tuple[str, str], before: str | None, after: str | None, result: bool
) -> None:
    assert is_result(opened([], blobs, before=before, after=after)) is result


@pytest.mark.parametrize(
    ("blobs", "before", "after", "base"),
    [
        ((digest(OLD)[:7], "1234567"), "f", "f", True),
        ((digest(OLD)[:7], ""), "f", "f", True),
        ((digest(OLD), "0000000"), "f", None, True),
        (("1234567", digest(OLD)[:7]), "f", "f", False),
        ((digest(OLD)[:7], digest(OLD)[:7]), "f", "f", False),
        (("", "1234567"), "f", "f", False),
        ((digest(b"")[:7], "1234567"), None, "f", False),
    ],
)
def test_a_file_is_the_base_if_its_digest_is_that_of_the_old_file(
    blobs: tuple[str, str], before: str | None, after: str | None, base: bool
) -> None:
    assert is_base(opened([], blobs, before=before, after=after)) is base


ADDED = ['say("a b c", "d e");', "int two;"]


def restored(
    wanted: list[str], *, doubtful: tuple[tuple[int, ...], ...] = ((0,),), effort: int = 300_000
) -> list[str] | None:
    """Look for the lines of `wanted` with the ends of lines that a mail of ADDED has."""
    file = opened(ADDED, (digest(OLD)[:7], digest(with_added(*wanted))[:12]))
    return confirmed(file, ADDED, ["", ""], doubtful, Effort(effort))


@pytest.mark.parametrize(
    "first",
    [
        'say("a b c", "d e");',
        'say("a  b c", "d e");',
        'say("a b c", "d    e");',
        'say("a   b  c", "d  e");',
    ],
)
def test_blanks_of_strings_are_tried(first: str) -> None:
    assert restored([first, "int two;"]) == [first, "int two;"]


def test_only_blanks_in_strings_of_doubtful_lines_are_tried() -> None:
    assert restored(['say("a b c",  "d e");', "int two;"]) is None
    assert restored(['say("a  b c", "d e");', "int two;"], doubtful=()) is None
    assert restored(['say("a  b c", "d e");', "int two;"], doubtful=((1,),)) is None
    assert restored(['say("a  b c", "d e");', "int two;"], doubtful=((1,), (0, 1))) is not None
    assert restored(["say(0);", "int two;"]) is None


def test_the_ends_of_lines_count() -> None:
    data = with_added(f"{ADDED[0]}\r", ADDED[1])
    file = opened(ADDED, (digest(OLD)[:7], digest(data)[:7]))
    assert confirmed(file, ADDED, ["\r", ""], (), Effort()) == ADDED
    assert confirmed(file, ADDED, ["", ""], (), Effort()) is None


def test_a_search_ends_when_it_has_taken_an_eighth_of_the_steps_that_are_left() -> None:
    far = ['say("a b c", "d' + " " * 12 + 'e");', "int two;"]
    assert restored(far) == far
    assert restored(far, effort=800) is None


def test_no_string_has_lost_more_than_a_hundred_blanks() -> None:
    for lost, found in ((99, True), (100, False)):
        one = ['say("a' + " " * (1 + lost) + 'b");']
        mail = ['say("a b");']
        file = opened(mail, (digest(OLD)[:7], digest(with_added(*one))[:12]))
        assert confirmed(file, mail, [""], ((0,),), Effort()) == (one if found else None)


@pytest.mark.parametrize(
    ("mail", "doubtful", "steps"),
    [
        (["int two;"], (), 1),
        # Joining many pieces takes as long as more steps, and so does the digest of a large file.
        ([f'say("{"a " * 40}b");'], ((0,),), 1 + 2),
        (["x" * 100_000], (), 1 + 2),
    ],
)
def test_the_steps_that_a_try_takes(
    mail: list[str], doubtful: tuple[tuple[int, ...], ...], steps: int
) -> None:
    file = opened(mail, (digest(OLD)[:7], digest(with_added(*mail))[:12]))
    effort = Effort(10_000)
    assert confirmed(file, mail, [""], (), effort) == mail
    assert effort.left == 10_000 - (steps if not doubtful else 1)
    # Without a blank that may be lost, there is one try.
    other = opened(mail, (digest(OLD)[:7], "1234567"))
    effort = Effort(10_000)
    assert confirmed(other, mail, [""], (), effort) is None
    assert effort.left == 10_000 - (steps if not doubtful else 1)
    if doubtful:
        effort = Effort(10_000)
        far = opened(mail, (digest(OLD)[:7], digest(with_added(*mail))[:12]))
        assert confirmed(far, [mail[0].replace("a b", "a  b")], [""], doubtful, effort) == mail
        assert effort.left == 10_000 - 1 - steps


def test_a_search_takes_an_eighth_of_the_steps_and_no_more() -> None:
    file = opened(ADDED, (digest(OLD)[:7], digest(with_added(*ADDED))[:12]))
    assert confirmed(file, ADDED, ["", ""], (), Effort(8)) == ADDED
    assert confirmed(file, ADDED, ["", ""], (), Effort(7)) is None
