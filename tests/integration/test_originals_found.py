"""Where `series originals` finds mails: mailboxes, maildirs, saved pages and lore."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.kernel import originals as ours
from memnotify.mailpatch.mail import read_mails
from memnotify.mailpatch.originals import MailVerdict, identify, originals_of
from memnotify.series.registered import load_registered, registered

from tests.support import archive_forms
from tests.support.archives import Clean
from tests.support.fake_b4 import fake_b4
from tests.support.posted import (
    NUMBERS,
    Capture,
    Post,
    doubled,
    expected,
)

pytestmark = pytest.mark.usefixtures("own_data")


def test_what_is_missing_is_named(post: Post, capsys: Capture) -> None:
    assert post.run("--mbox", post.box(*[post.mail(number) for number in (1, 2, 3, 5)])) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "v4: 1 of 5 mails is missing, so nothing is registered" in said.err
    lines = said.out.splitlines()
    at = lines.index("v4 4/5  missing  [RFC][PATCH 4/5] lamp 4")
    assert "Message-Id 2008.4.ADA@example.org, 2008-01-15 10:04:00 +0900" in lines[at + 1]
    assert registered() == {}


def test_a_mailbox_of_something_else(post: Post, capsys: Capture) -> None:
    other = Clean({**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}, ["At one."])
    box = post.box(archive_forms.as_mail(other, other.lines))
    assert post.run("--mbox", box) == 2
    said = capsys.readouterr().err
    start = f"memnotify: {box}: contains none of the 5 mails of v4 (the first is 2008.1."
    assert said.startswith(start)
    assert said.count("\n") == 1
    assert post.run("--mbox", post.folder) == 2
    assert "--maildir names a maildir" in capsys.readouterr().err
    assert post.run("--maildir", post.folder) == 2
    assert "not a maildir: it has no folders cur and new" in capsys.readouterr().err
    assert post.run(post.folder / "none") == 2
    assert "no such file" in capsys.readouterr().err


def test_an_mbox_is_searched_by_digest_as_mails_are(post: Post, capsys: Capture) -> None:
    """As `git format-patch` writes them: with other Message-Ids and subjects."""

    def formatted(number: int) -> bytes:
        clean = post.mails[number]
        headers = {
            **clean.headers,
            "Message-Id": f"<{number}@me>",
            "Subject": f"[PATCH] my {number}",
        }
        return archive_forms.as_mail(Clean(headers, clean.lines), clean.lines)

    other = {**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}
    spam = archive_forms.as_mail(
        Clean(other, ["At one."]), ["\0" * 100]
    )  # which no import can read
    box = post.box(spam, *map(formatted, NUMBERS))
    assert post.run("--mbox", box) == 0
    said = capsys.readouterr().out
    assert said.count("  exact  ") == 5
    assert "taken from the mail <1@me>" in said
    one = post.box(post.mail(1), *[formatted(number) for number in (2, 3, 4, 5)])
    for words in (["--mbox", one], [one]):
        assert post.run(*words) == 0
        assert capsys.readouterr().out.count("  exact  ") == 5


def test_why_nothing_was_found_is_said(
    post: Post, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Clean({**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}, ["At one."])
    box = post.box(*[archive_forms.as_mail(other, other.lines)] * 3)
    assert post.run("--mbox", box) == 2
    assert (
        "; none of its 3 mails matches by Message-Id, digest or subject)" in capsys.readouterr().err
    )
    letter = post.folder / "letter"
    letter.write_text("It is no mail.\n")
    assert post.run("--mbox", letter) == 2
    assert "it is neither an mbox nor a mail" in capsys.readouterr().err
    monkeypatch.setattr(ours, "MAX_BYTES", 100)
    assert post.run("--mbox", box) == 2
    assert "to a file and give it as MAIL" in capsys.readouterr().err


def test_what_is_not_known_of_a_mail_is_said_in_words() -> None:
    known_as = originals_of("v5").mails[0].known_as
    assert known_as.startswith("“") and known_as.endswith(", with a Message-Id that is not known")


def test_only_the_revision_has_to_be_given(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["series", "originals"])
    assert "the following arguments are required: REV" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["--mbox", "--maildir"])
def test_a_mail_that_is_too_large_is_named(post: Post, where: str, capsys: Capture) -> None:
    """It is not reported missing; one that nobody asked for is skipped."""
    filler = b"x" * 70 + b"\n"
    lunch = Clean({**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}, ["At one."])
    other = archive_forms.as_mail(lunch, lunch.lines) + filler * 260_000
    large = post.mail(3) + filler * 260_000
    if where == "--maildir":
        box = post.folder / "maildir"
        for name in ("cur", "new"):
            (box / name).mkdir(parents=True)
        for name, data in (("a", other), ("b", large)):
            (box / "cur" / name).write_bytes(data)
        place = f"{box}/cur/b"
    else:
        box = post.box(post.mail(1), other, large, post.mail(4))
        lines = box.read_bytes().split(b"\n")
        begins = [at for at, line in enumerate(lines, 1) if line.startswith(b"From ")]
        place = f"{box}:{begins[2]}"
    assert post.run(where, box) == 2
    said = capsys.readouterr().err
    assert said == (
        f"memnotify: {place}: <2008.3.ADA@example.org> is too large for a mail: more than 16 MiB\n"
    )


def test_out_of_a_long_list_with_answers(post: Post) -> None:
    """2,500 other mails, one that no import can read, and replies that quote the patches."""
    lunch = Clean({**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}, ["At one."])
    noise = archive_forms.as_mail(lunch, lunch.lines)
    huge = archive_forms.as_mail(lunch, ["x" * 9_000])
    answers = []
    for number in NUMBERS:
        clean = post.mails[number]
        headers = {**clean.headers, "Subject": f"Re: {clean.headers['Subject']}"}
        headers["Message-Id"] = f"<re{number}@x>"
        quoted = ["Ada wrote:", *(f"> {line}" for line in clean.lines), "Nice."]
        answers.append(archive_forms.as_mail(Clean(headers, quoted), quoted))
    mails = [*answers, *[noise] * 2_500, huge, *map(post.mail, reversed(NUMBERS)), *answers]
    assert post.run("--mbox", post.box(*mails)) == 0
    facts = load_registered("v4-original", "2.6.24")
    assert {mail["verdict"] for mail in facts.mails} == {"exact"}


def test_what_does_not_fit_is_named_by_its_line_in_the_mailbox(post: Post, capsys: Capture) -> None:
    """Context is not part of the digest, so the mail is exact."""
    clean = post.mails[5]
    # More lines of context than fuzz may leave out.
    lines = [" \tno_such_line();" if line.startswith(" \t") else line for line in clean.lines]
    mails = [*[post.mail(number) for number in (1, 2, 3, 4)], archive_forms.as_mail(clean, lines)]
    box = post.box(*mails)
    assert post.run("--mbox", box) == 2
    said = capsys.readouterr()
    assert "v4 5/5  exact" in said.out
    at = box.read_text().split("\n").index(" \tno_such_line();") + 1
    reason = "hunk 1 of 1 does not fit mm/vmstat.c, which has no line 'no_such_line();'"
    assert f"{box}:{at}: {reason}" in said.err
    assert registered() == {}


def test_a_maildir_and_saved_pages(post: Post, capsys: Capture) -> None:
    folder = post.folder / "maildir"
    kept = mailbox.Maildir(folder)
    for number in (1, 2, 3):
        kept.add(post.mail(number))
    page = post.folder / "page.html"
    page.write_bytes(archive_forms.as_marc(post.mails[4], post.mails[4].lines))
    text = post.folder / "text.txt"
    text.write_bytes(
        archive_forms.as_text(post.mails[5], [line.lstrip() for line in post.mails[5].lines])
    )
    assert post.run(page, text, "--maildir", folder) == 0
    assert "v4-original" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("own_id", "verdict"),
    [
        ("<2008.1.ADA@example.org>", MailVerdict.OTHER),
        ("<2008.1.ADA@xxxxxxxxxxx>", MailVerdict.OTHER),
        ("<2008.1.ADA () example ! org>", MailVerdict.OTHER),
        (None, MailVerdict.OTHER),
        ("<2009.1.ADA@example.org>", MailVerdict.MISSING),
    ],
    ids=["same", "masked", "masked-with-blanks", "none", "another"],
)
def test_a_mail_with_the_subject_and_another_text(
    post: Post, own_id: str | None, verdict: MailVerdict
) -> None:
    clean = post.mails[1]
    headers = {name: value for name, value in clean.headers.items() if name != "Message-Id"}
    headers |= {"Message-Id": own_id} if own_id else {}
    lines = [line.replace("exclusive", "inclusive") for line in clean.lines]
    (post.folder / "mail").write_bytes(archive_forms.as_mail(Clean(headers, lines), lines))
    found = identify(read_mails(post.folder / "mail"), originals_of("v4").mails)
    assert found[0].verdict is verdict


def test_the_same_text_in_another_mail_is_taken_and_said(post: Post, capsys: Capture) -> None:
    clean = post.mails[1]
    other = Clean({**clean.headers, "Message-Id": "<resent@example.org>"}, clean.lines)
    box = post.box(
        archive_forms.as_mail(other, other.lines), *[post.mail(number) for number in (2, 3, 4, 5)]
    )
    assert post.run("--mbox", box) == 0
    assert "taken from the mail <resent@example.org>" in capsys.readouterr().out


def test_a_hunk_that_stands_twice_counts_twice_and_is_taken_once(
    post: Post, capsys: Capture
) -> None:
    lines = post.mails[5].lines
    at = next(at for at, line in enumerate(lines) if line.startswith("@@"))
    twice = [*lines, *lines[at:]]
    text = post.file.read_text().replace(expected(lines), doubled(lines))
    post.file.write_text(text)
    post.mails[5] = Clean(post.mails[5].headers, twice)
    assert post.run("--mbox", post.whole()) == 0
    assert "repeated hunk applied once" in capsys.readouterr().out


B4 = """
for last; do :; done
echo "$last" >> {folder}/asked
case "$last" in
    {thread}) cp {folder}/thread.mbox thread.mbx ;;
    {alone}) cp {folder}/alone.mbox thread.mbx ;;
    *) echo "Could not retrieve thread: Server returned an error: 404"; exit 1 ;;
esac
"""


def test_from_lore_by_message_id(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A thread brings several mails; those missing from it are requested one by one."""
    post.box(*[post.mail(number) for number in (1, 2, 4, 5)], name="thread.mbox")
    post.box(post.mail(3), name="alone.mbox")
    script = B4.format(folder=tmp_path, thread="2008.1.ADA*", alone="2008.3.ADA*")
    fake_b4(tmp_path, monkeypatch, script)
    assert post.run() == 0
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["2008.1.ADA@example.org", "2008.3.ADA@example.org"]
    capsys.readouterr()
    fake = B4.format(folder=tmp_path, thread="2008.1.ADA*", alone="none")
    (tmp_path / "bin/b4").write_text(f"#!/bin/sh\n{fake}\n")
    assert post.run() == 2
    said = capsys.readouterr()
    assert "v4 3/5  missing" in said.out
    assert "1 of 5 mails is missing" in said.err


def test_lore_that_cannot_be_reached(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    fake_b4(tmp_path, monkeypatch, "echo Name or service not known; exit 1")
    assert post.run() == 3
    said = capsys.readouterr()
    assert said.out == ""
    fetching, line = said.err.splitlines()
    assert fetching == "fetching 2008.1.ADA@example.org"
    assert line.startswith("memnotify: b4 cannot fetch 2008.1.ADA@example.org: Name or service")
    said_by_b4 = "a longish word" + " of-many-letters" * 20
    (tmp_path / "bin/b4").write_text(f"#!/bin/sh\necho {said_by_b4}; exit 1\n")
    assert post.run() == 3
    assert "of-many-letters … (save the mails" in capsys.readouterr().err
    assert registered() == {}
