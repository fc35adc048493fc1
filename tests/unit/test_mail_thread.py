"""The order of the patches of a thread, which mails are taken, and the notes on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.mail import Mail, mails_of
from memnotify.mailpatch.post import Post, post_of
from memnotify.mailpatch.thread import in_order

from tests.support.restored import mail_of

IN_ORDER = "2 patches without n/m in the subject: in the order given"
SAMPLE = "m1: “sample” has no n/m in its subject: after the others"
QUOTED = "m3: “Re: [PATCH 1/2] one” only quotes a patch: left out"
OWN = (
    "m3: “Re: [PATCH 1/2] one” is an answer with a diff of its own: left out (give it alone to "
    "take it)"
)
TAKEN = (
    "m3: “Re: [PATCH 1/2] one” is an answer: what it does not quote of the patch is not in it",
    "m3: “Re: [PATCH 1/2] one” is an answer, and its diff may not be the patch of that name",
)


def diff(number: int = 1) -> list[str]:
    return ["--- a/mm/a.c", "+++ b/mm/a.c", f"@@ -{number} +{number},2 @@", " old;", "+new;"]


def read(data: bytes, source: str) -> Mail:
    (mail,) = mails_of(data, Path(source))
    return mail


def posts(*mails: bytes) -> list[Post]:
    """Return mails as posts; their files are m1, m2 and so on."""
    found = [read(data, f"m{at}") for at, data in enumerate(mails, 1)]
    return [post_of(mail, read_diffs(mail.lines, file=mail.source, first=1)) for mail in found]


def mail(subject: str, *lines: str) -> bytes:
    return mail_of("Text.", "---", *(lines or diff()), subject=subject)


def quoting(subject: str, *more: Sequence[str], own: Sequence[str] = ()) -> bytes:
    lines = [line for some in (diff(), *more) for line in some]
    return mail_of("Ada wrote:", *(f"> {line}" for line in lines), "", *own, subject=subject)


def sources(found: Sequence[Post]) -> list[str]:
    return [post.mail.source for post in found]


def refused(*mails: bytes) -> str:
    with pytest.raises(InputError) as caught:
        in_order(posts(*mails))
    return str(caught.value)


ONE, TWO = mail("[PATCH 1/2] one"), mail("[PATCH 2/2] two", *diff(9))


def test_patches_are_in_the_order_of_their_numbers() -> None:
    ten = [mail(f"[PATCH {number}/11] t") for number in (10, 2, 9, 11, 1)]
    found, said = in_order(posts(*ten))
    assert [post.number for post in found] == [1, 2, 9, 10, 11]
    assert said == ["missing: 3/11, 4/11, 5/11, 6/11, 7/11, 8/11"]
    assert in_order(posts(TWO, ONE), there=(3,))[1] == []


def test_patches_that_are_there_already_are_not_missing() -> None:
    found, said = in_order(posts(mail("[PATCH 3/4] three")), there=(1, None, 9))
    assert sources(found) == ["m1"]
    assert said == ["missing: 2/4, 4/4"]


def test_patches_without_a_number_come_last_in_the_order_given() -> None:
    found, said = in_order(posts(mail("sample"), TWO, ONE))
    assert (sources(found), said) == (["m3", "m2", "m1"], [SAMPLE])
    longer = mail("test", *diff(5), *diff(50)[2:])
    found, said = in_order(posts(mail("sample"), TWO, ONE, longer))
    assert (sources(found), said) == (["m3", "m2", "m1", "m4"], [IN_ORDER])
    assert in_order(posts(mail("sample")))[1] == []


@pytest.mark.parametrize(
    ("ids", "diffs", "subject", "kept"),
    [
        (("<1>", "<1>"), (1, 1), "one", ["m1"]),
        (("<1>", ""), (1, 1), "one", ["m1"]),
        (("", "<2>"), (1, 1), "one", ["m1"]),
        (("<1>", "<2>"), (1, 1), "one", ["m1", "m2"]),
        (("", ""), (1, 2), "one", ["m1", "m2"]),
        (("", ""), (1, 1), "two", ["m1", "m2"]),
    ],
)
def test_a_mail_that_two_lists_have_sent_is_taken_once(
    ids: tuple[str, str], diffs: tuple[int, int], subject: str, kept: list[str]
) -> None:
    heads = [f"Message-Id: {own}\n".encode() if own else b"" for own in ids]
    one, other = mail("one", *diff(diffs[0])), mail(subject, *diff(diffs[1]))
    found, said = in_order(posts(heads[0] + one, heads[1] + other))
    assert sources(found) == kept
    assert said == ([IN_ORDER] if len(kept) > 1 else [])


def test_a_patch_of_a_number_is_taken_once_if_it_is_the_same() -> None:
    found, said = in_order(posts(ONE, TWO, ONE))
    assert (sources(found), said) == (["m1", "m2"], [])
    assert refused(ONE, TWO, mail("[PATCH 2/2] two", *diff(5))) == (
        "m3: patch 2/2 is here twice, and differs from m2's (give only one of the two)"
    )


def test_patches_of_two_series_are_refused() -> None:
    assert refused(ONE, mail("[PATCH 2/3] two"), TWO) == (
        "m2: “[PATCH 2/3] two” and “[PATCH 2/2] two” (m3) are of two series (import each by itself)"
    )
    assert refused(mail("[PATCH 1/4] a"), ONE, mail("[PATCH 1/3] b")) == (
        "m2: “[PATCH 1/2] one” and “[PATCH 1/4] a” (m1) are of two series (import each by itself)"
    )
    # An answer may be one to another.
    found, said = in_order(posts(ONE, TWO, mail("Re: [PATCH 2/3] two")))
    assert (sources(found), said) == (["m1", "m2"], [OWN.replace("1/2] one", "2/3] two")])


@pytest.mark.parametrize(
    ("answer", "said", "alone"),
    [
        (quoting("Re: [PATCH 1/2] one"), QUOTED, TAKEN[0]),
        (mail("Re: [PATCH 1/2] one"), OWN, TAKEN[1]),
    ],
)
def test_an_answer_is_taken_only_if_its_patch_is_missing(
    answer: bytes, said: str, alone: str
) -> None:
    for before in ((ONE, TWO), (TWO, ONE)):
        found, notes = in_order(posts(*before, answer))
        assert [post.reply for post in found] == [False, False]
        assert notes == [said]
    found, notes = in_order(posts(TWO, TWO, answer))
    assert (sources(found), notes) == (["m3", "m1"], [alone])
    # The patch exists already, or the answer is to the cover letter.
    found, notes = in_order(posts(TWO, TWO, answer), there=(1,))
    assert (sources(found), notes) == (["m1"], [said])
    cover = answer.replace(b"1/2", b"0/2")
    found, notes = in_order(posts(ONE, TWO, cover))
    assert (sources(found), notes) == (["m1", "m2"], [said.replace("1/2", "0/2")])
    found, notes = in_order(posts(ONE, TWO, answer.replace(b"[PATCH 1/2] ", b"")))
    assert (sources(found), notes) == (["m1", "m2"], [said.replace("[PATCH 1/2] ", "")])


def test_an_answer_alone_is_taken() -> None:
    found, said = in_order(posts(quoting("Re: one")))
    assert sources(found) == ["m1"]
    assert said == [TAKEN[0].replace("m3", "m1").replace("[PATCH 1/2] ", "")]
    found, said = in_order(posts(mail("Re: [PATCH 0/2] none")), there=(1,))
    assert sources(found) == ["m1"]
    # So are two, of which one is to a cover letter.
    found, said = in_order(posts(mail("Re: [PATCH 0/2] none"), mail("Re: two", *diff(9))))
    assert sources(found) == ["m1", "m2"]


def test_of_two_answers_the_one_that_quotes_most_is_taken() -> None:
    less, more = (quoting("Re: [PATCH 1/2] one", *hunks) for hunks in ((), (diff(30)[2:],)))
    for mails, taken in (((less, more), "m2"), ((more, less), "m1")):
        found, said = in_order(posts(*mails))
        assert sources(found) == [taken]
        assert [note.partition("] one” ")[2] for note in said] == [
            "only quotes a patch: left out",
            "is an answer: what it does not quote of the patch is not in it",
        ]
    own = mail("Re: [PATCH 1/2] one", *diff(), *diff(30)[2:], *diff(60)[2:])
    for mails, taken in (((less, own), "m1"), ((own, less), "m2")):
        assert sources(in_order(posts(*mails))[0]) == [taken]


def test_an_answer_that_quotes_a_patch_and_has_another() -> None:
    mixed = quoting("Re: [PATCH 1/2] one", own=diff(30))
    said = "quotes a patch and has another of its own (give the patch, or a file with one of the"
    assert refused(mixed) == f"m1: “Re: [PATCH 1/2] one” {said} two)"
    assert refused(mixed.replace(b"[PATCH 1/2] ", b"")) == f"m1: “Re: one” {said} two)"
    found, notes = in_order(posts(TWO, TWO, mixed))
    assert (sources(found), notes) == (["m1"], [OWN, "missing: 1/2"])


def test_numbers_in_titles_are_numbers_if_several_have_one_of_the_same_m() -> None:
    found, _ = in_order(posts(mail("two, 2/2"), mail("one, 1/2", *diff(9))))
    assert [(post.number, post.total, post.title) for post in found] == [
        (1, 2, "one"),
        (2, 2, "two"),
    ]
    found, _ = in_order(posts(mail("two, 2/2"), mail("more, 1/3", *diff(9))))
    assert [(post.number, post.total) for post in found] == [(0, 0), (0, 0)]
    found, said = in_order(posts(mail("[PATCH 4/N] four"), mail("[PATCH 2/N] two", *diff(9))))
    assert [(post.number, post.total, post.title) for post in found] == [
        (2, 4, "two"),
        (4, 4, "four"),
    ]
    assert said == ["missing: 1/4, 3/4"]


def test_one_revision_of_several_is_taken() -> None:
    newer = [mail(f"[PATCH v2 {n}/2] t", *diff(n)) for n in (1, 2)]
    found, said = in_order(posts(ONE, *newer, TWO), revision=2)
    assert sources(found) == ["m2", "m3"]
    assert said == ["2 mails of other revisions, or of none: left out"]
    # It may be that of the cover letter.
    cover = read(mail_of("Text.", subject="[PATCH v2 0/2] lamps"), "cover")
    found, said = in_order(posts(TWO, ONE), others=[cover], revision=2)
    assert (sources(found), said) == (["m2", "m1"], [])


def listed(*places: int | None, subjects: Sequence[str] = ()) -> list[Post]:
    """Return posts with places in a list."""
    named = subjects or [f"p{at}" for at in range(len(places))]
    found = posts(*(mail(subject, *diff(1 + at)) for at, subject in enumerate(named)))
    return [
        post if place is None else replace(post, mail=replace(post.mail, place=("l", place)))
        for post, place in zip(found, places, strict=True)
    ]


def test_patches_of_a_list_are_in_its_order() -> None:
    found, said = in_order(listed(0, 1, 2))
    assert (sources(found), said) == (["m1", "m2", "m3"], [])
    found, said = in_order(listed(-1, 0, None))
    assert [(post.number, post.total) for post in found] == [(1, 2), (2, 2)]
    assert (sources(found), said) == (
        ["m2", "m3"],
        ["m1: “p0” is not in the series file: left out"],
    )
    # Where it replaces patches, the number counts.
    found, said = in_order(listed(0, 1, subjects=["[PATCH 2/2] b", "[PATCH 1/2] a"]), there=(7,))
    assert (sources(found), said) == (["m2", "m1"], [])


@pytest.mark.parametrize(
    ("numbers", "in_list"),
    [
        (("1/3", "2/3", "3/3"), ["1/3", "2/3", "3/3"]),
        (("1/3", "3/3"), ["1/3", "3/3"]),
        (("2/3", "1/3"), ["1/2", "2/2"]),  # in the order of the list, by new numbers
        (("1/3", "1/3"), ["1/2", "2/2"]),
        (("", "2/2"), ["1/2", "2/2"]),
        (("1/2", ""), ["1/2", "2/2"]),
    ],
)
def test_a_list_is_the_order_unless_the_numbers_say_the_same(
    numbers: Sequence[str], in_list: list[str]
) -> None:
    subjects = [f"[PATCH {number}] t" for number in numbers]
    found, _ = in_order(listed(*range(len(numbers)), subjects=subjects))
    assert [f"{post.number}/{post.total}" for post in found] == in_list
    assert sources(found) == [f"m{at}" for at in range(1, len(numbers) + 1)]
