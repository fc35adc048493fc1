"""Original mails found, checked, imported and registered; the mails are made of our own patches."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import mailbox
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memnotify import toml
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError
from memnotify.kernel import originals as ours
from memnotify.kernel.build import ensure_kernel
from memnotify.mailpatch import originals as on_file
from memnotify.mailpatch.digest import patch_digests
from memnotify.mailpatch.mail import read_mails
from memnotify.mailpatch.originals import MailVerdict, identify, originals_of
from memnotify.mailpatch.restore_series import Imported, ImportedSeries, import_in_order
from memnotify.model import Arch, KernelRequest
from memnotify.places import PATCHES
from memnotify.results.promises import check_run
from memnotify.series.apply import read_tree
from memnotify.series.quilt import bases_of, load_series
from memnotify.series.registered import load_registered, registered
from memnotify.series.revision import load_revision
from unidiff.patch import PatchSet

from tests.support import archives
from tests.support.archives import Clean
from tests.support.campaigns import TEXT, Bench, Guests
from tests.support.fake_b4 import fake_b4
from tests.support.fakekernel import TREE, Lab
from tests.support.imports import V4, made_up_tree

SEED = PATCHES / "mem_notify/v4/original/3-of-5.txt"
MASKED = "056c880fcbfe9513755da4025cf0309c7aea19ef6cd758d70b02a7223c33bd43"
AUTHOR = "Ada <ada@example.org>"
NUMBERS = range(1, 6)

Capture = pytest.CaptureFixture[str]


def expected(lines: list[str], *, without_addresses: bool = False) -> str:
    """Return the digest by the rule in originals.toml, computed in a different way."""
    text = ""
    for part in PatchSet("\n".join(lines[begin(lines) :]) + "\n"):
        for line in (line for hunk in part for line in hunk if line.line_type in "+-"):
            text += line.line_type + re.sub(r"\s", "", line.value)
    text = re.sub(r"<[^<>]*@[^<>]*>", "", text) if without_addresses else text
    return hashlib.sha256(text.encode()).hexdigest()


def begin(lines: list[str]) -> int:
    return next(at for at, line in enumerate(lines) if line.startswith(("diff --git", "--- ")))


class Post:
    """Five mails made of v4's patches for 2.6.24, and the data on file about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        patches = sorted(V4.glob("*.patch"))
        self.tree = made_up_tree(folder / "tree", patches)
        self.mails: dict[int, Clean] = {}
        entries = [
            '[revision.v4]\nbases = ["2.6.24-rc6-mm1", "2.6.24"]\n'
            'posted_for = "2.6.24-rc6-mm1"\nours = ["0006-build-fix-include-mem_notify.h.patch"]\n'
        ]
        for number in NUMBERS:
            clean = Clean.of(patches[number - 1].read_text().replace("xxxxxxxxx>", "example.org>"))
            headers = {
                "From": AUTHOR,
                "Date": f"Tue, 15 Jan 2008 10:0{number}:00 +0900",
                "Subject": f"[RFC][PATCH {number}/5] lamp {number}",
                "Message-Id": f"<2008.{number}.ADA@example.org>",
            }
            self.mails[number] = Clean(headers, clean.lines)
            entries.append(
                f'[[mail]]\nrevision = "v4"\npart = {number}\nof = 5\n'
                f'subject = "{headers["Subject"]}"\nmessage_id = "2008.{number}.ADA@example.org"\n'
                f'date = "2008-01-15 10:0{number}:00 +0900"\ndigest = "{expected(clean.lines)}"\n'
            )
            if number == 3:
                bare = expected(clean.lines, without_addresses=True)
                entries[-1] += f'digest_without_addresses = "{bare}"\n'
        self.file = folder / "originals.toml"
        self.file.write_text("\n".join(entries))

    def mail(self, number: int, change: Callable[[str], str] = lambda line: line) -> bytes:
        clean = self.mails[number]
        return archives.as_mail(clean, [change(line) for line in clean.lines])

    def box(self, *mails: bytes, name: str = "box.mbox") -> Path:
        file = self.folder / name
        file.write_bytes(archives.as_mbox(list(mails)))
        return file

    def run(self, *words: str | Path, tree: bool = True) -> int:
        given = ["--tree", str(self.tree)] if tree else []
        return main(["series", "originals", "v4", *map(str, words), *given])

    def whole(self) -> Path:
        return self.box(*map(self.mail, NUMBERS))


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data/memnotify/series"


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Post:
    made = Post(tmp_path)
    monkeypatch.setattr(on_file, "FILE", made.file)
    return made


# --- digests


def test_the_seed_has_the_digest_on_file_without_addresses() -> None:
    (mail,) = read_mails(SEED)
    assert MASKED in [digest.without_addresses for digest in patch_digests(mail.lines)]
    found = identify([mail], originals_of("v4").mails)
    assert [each.verdict for each in found] == [
        *(
            MailVerdict.MISSING,
            MailVerdict.MISSING,
            MailVerdict.MASKED,
            MailVerdict.MISSING,
            MailVerdict.MISSING,
        )
    ]
    assert found[2].digest is not None and found[2].digest.lines == 162


@pytest.mark.parametrize("old", ["&mem_notify_fops", "atomic_long_t", "13"])
def test_another_word_in_the_seed_is_another_text(tmp_path: Path, old: str) -> None:
    text = SEED.read_text()
    at = text.index(old, text.index("@@"))
    (tmp_path / "mail").write_text(text[:at] + text[at:].replace(old, old + "x", 1))
    found = identify(read_mails(tmp_path / "mail"), originals_of("v4").mails)
    assert found[2].verdict is MailVerdict.OTHER


DIFF = [
    *("Words.", "---", " x.c | 3 +-", "", "--- a/x.c", "+++ b/x.c", "@@ -1,4 +1,5 @@ int x", " a"),
    *("-  b\tc", "+ \td  e", "+", " f", " g", "@@ -9 +10 @@", "-h", "+i <ada@example.org>", "--"),
    *("Ada", "+not", "-this"),
]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_rule_of_the_digest() -> None:
    (one,) = patch_digests(DIFF)
    assert one.whole == sha("-bc+de+-h+i<ada@example.org>")
    assert one.without_addresses == sha("-bc+de+-h+i")
    assert one.lines == 5
    other = [line.replace("\t", "        ") for line in DIFF]
    assert patch_digests(other)[0] == one
    # The rest of a line that a mailer broke, also in the header; and no newline at the end.
    wrapped = list(DIFF)
    wrapped[6:7] = ["@@ -1,4 +1,5 @@ int", "x"]
    wrapped[10:11] = ["+ \td", "e"]
    wrapped.insert(-4, "\\ No newline at end of file")
    assert patch_digests(wrapped)[0] == one
    # The blank that marks context is gone: that is the second reading.
    eaten = [line.lstrip() for line in DIFF]
    assert patch_digests(eaten)[0].whole != one.whole
    assert patch_digests(eaten)[1] == one
    # A hunk that is shorter than its header says ends where the next one begins.
    short = [line.replace("-1,4 +1,5", "-1,9 +1,9") for line in DIFF]
    assert patch_digests(short)[0] == one
    assert patch_digests(["No", "diff", "+here", "--- a", "+++ b"]) == ()


def test_what_archives_make_of_an_address_is_taken_out() -> None:
    known = patch_digests(DIFF)[0].without_addresses
    for mask in ("<ada@xxxxxxxxx>", "<ada () example ! org>", "<ada(at)example.org>"):
        lines = [line.replace("<ada@example.org>", mask) for line in DIFF]
        assert patch_digests(lines)[0].without_addresses == known
    lines = [line.replace("<ada@example.org>", "<ada>") for line in DIFF]
    assert patch_digests(lines)[0].without_addresses != known


def test_every_original_on_file_is_of_a_known_revision_with_sound_numbers() -> None:
    known = on_file.OriginalsTable.model_validate(toml.read(on_file.FILE)[0])
    names = [mail.revision for mail in known.mail]
    assert set(names) == set(known.revision)
    for name in known.revision:
        parts = sorted(mail.part for mail in known.mail if mail.revision == name)
        chained = known.revision[name].on is not None
        assert parts == list(range(parts[0], parts[0] + len(parts)))
        assert parts[0] == 1 or chained
    assert [mail.label for mail in originals_of("v3-faster").mails] == [
        *("v3 1/1", "v3-wake-all 1/2", "v3-throttled 2/2", "v3-faster 1/1")
    ]
    assert len(originals_of("v6").mails) == 9


# --- the command


def test_exact_mails_are_imported_and_registered(
    post: Post, own_data: Path, capsys: Capture
) -> None:
    assert post.run("--mbox", post.whole()) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("v4 ")] == [
        f"v4 {number}/5  exact  [RFC][PATCH {number}/5] lamp {number}" for number in NUMBERS
    ]
    assert "posted for 2.6.24-rc6-mm1" in said
    assert f'registered: series = "v4-original" for 2.6.24, in {own_data}' in said
    assert "series diff v4/2.6.24 v4-original/2.6.24 --no-messages" in said
    # Made of ours, except for the addresses, which are masked in ours.
    assert [line[:2] for line in said.splitlines() if " ! " in line] == ["3:"]
    assert sum(bool(re.match(r"\d:  \S+ = ", line)) for line in said.splitlines()) == 5
    assert registered() == {"v4-original": ("2.6.24",)}
    assert bases_of("v4-original") == ("2.6.24",)
    names = [patch.name for patch in load_series("v4-original", "2.6.24").patches]
    assert names[:2] == ["0001-lamp-1.patch", "0002-lamp-2.patch"]
    assert names[5] == "0006-build-fix-include-mem_notify.h.patch"
    assert "0006-build-fix-include-mem_notify.h.patch is a patch of this project" in said
    assert load_revision("v4-original") == load_revision("v4")
    assert main(["series", "apply", "v4-original", "--tree", str(post.tree), "--check"]) == 0
    assert main(["series", "diff", "v4/2.6.24", "v4-original/2.6.24", "--no-messages"]) == 0
    assert main(["kernel", "list"]) == 0
    assert "v4-original" in capsys.readouterr().out
    # A second time: the same files.
    before = {path: path.read_bytes() for path in own_data.rglob("*") if path.is_file()}
    assert post.run("--mbox", post.whole()) == 0
    assert {path: path.read_bytes() for path in own_data.rglob("*") if path.is_file()} == before


def test_where_an_original_differs_from_ours_is_said(post: Post, capsys: Capture) -> None:
    """Exact by its digest; the digest on file belongs to a text that differs from ours."""

    def other(line: str) -> str:
        return line.replace("zone->mem_notify_status,", "lamp(zone),")

    lines = [other(line) for line in post.mails[5].lines]
    assert lines != post.mails[5].lines
    text = post.file.read_text().replace(expected(post.mails[5].lines), expected(lines))
    post.file.write_text(text)
    mails = [post.mail(number, other if number == 5 else str) for number in NUMBERS]
    assert post.run("--mbox", post.box(*mails)) == 0
    said = capsys.readouterr().out
    assert [line[:2] for line in said.splitlines() if " ! " in line] == ["3:", "5:"]
    # It says which patch, and of which file.
    _, at = [n for n, line in enumerate(said.splitlines()) if " ! " in line]
    line, files = said.splitlines()[at : at + 2]
    assert line.endswith(" lamp 5") and "patch 5" not in said
    assert "a => b" not in said
    assert re.fullmatch(r" +[\w/.]+(, [\w/.]+)* \| \d+ [+-]+", files)
    assert main(["series", "diff", "v4/2.6.24", "v4-original/2.6.24", "--no-messages"]) == 0
    assert "\n++lamp(zone),\n" in re.sub(r"[ \t]", "", capsys.readouterr().out)


def masked(line: str) -> str:
    return line.replace("@example.org>", "@xxxxxxxxxxx>")


def test_masked_addresses_are_said(post: Post, own_data: Path, capsys: Capture) -> None:
    mails = [post.mail(number, masked) for number in NUMBERS]
    assert post.run("--mbox", post.box(*mails), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    verdicts = [mail["verdict"] for mail in found["mails"]]
    assert verdicts == ["exact", "exact", "addresses masked", "exact", "exact"]
    assert (found["name"], found["base"]) == ("v4-original", "2.6.24")
    facts = load_registered("v4-original", "2.6.24")
    assert [mail["verdict"] for mail in facts.mails] == verdicts
    assert facts.folder == own_data / "v4-original/2.6.24"


def altered(line: str) -> str:
    return line.replace("wake_up_locked_nr", "wake_up_lamps_nr")


def test_another_text_is_registered_only_as_such(post: Post, capsys: Capture) -> None:
    mails = [post.mail(number, altered if number in (2, 3) else str) for number in NUMBERS]
    box = post.box(*mails)
    assert post.run("--mbox", box) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert (
        "2 mails have a text that does not match the digest, so nothing is registered" in said.err
    )
    assert "v4 2/5  another text  [RFC][PATCH 2/5] lamp 2" in said.out
    assert "on file is " + expected(post.mails[2].lines) in said.out
    assert registered() == {}
    assert post.run("--mbox", box, "--altered") == 0
    assert 'series = "v4-altered"' in capsys.readouterr().out
    assert registered() == {"v4-altered": ("2.6.24",)}
    assert load_registered("v4-altered", "2.6.24").notes()[:2] == [
        *("v4 2/5: another text", "v4 3/5: another text")
    ]
    assert load_revision("v4-altered") == load_revision("v4")
    assert main(["series", "list"]) == 0
    told = " ".join(re.sub("[│├└]", " ", capsys.readouterr().out).split())
    assert "The patches of the mails, with another text than was posted: 2/5, 3/5." in told
    assert "as they were posted" not in told


def test_mails_of_which_no_digest_or_message_id_is_known(post: Post, capsys: Capture) -> None:
    """As for v6 4/8, and v5 1/8: there is nothing to compare with, and the output says so."""
    text = post.file.read_text()
    text = text.replace('message_id = "2008.2.ADA@example.org"\n', "")
    for number in (2, 4):
        text = text.replace(f'digest = "{expected(post.mails[number].lines)}"\n', "")
    post.file.write_text(text)
    assert post.run("--mbox", post.whole()) == 0
    said = capsys.readouterr().out
    verdicts = [line for line in said.splitlines() if re.match(r"v4 \d/5  ", line)]
    assert [line[8:].split("  ")[0] for line in verdicts] == [
        *("exact", "no digest on file", "exact", "no digest on file", "exact")
    ]
    assert "v4 2/5: no digest on file\nv4 4/5: no digest on file\n" in said
    assert registered() == {"v4-original": ("2.6.24",)}
    assert post.run("--mbox", post.box(*[post.mail(number) for number in (1, 3, 4, 5)])) == 2
    assert "Message-Id unknown, 2008-01-15 10:02:00 +0900" in capsys.readouterr().out


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
    box = post.box(archives.as_mail(other, other.lines))
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
        return archives.as_mail(Clean(headers, clean.lines), clean.lines)

    other = {**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}
    spam = archives.as_mail(Clean(other, ["At one."]), ["\0" * 100])  # which no import can read
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
    box = post.box(*[archives.as_mail(other, other.lines)] * 3)
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
    assert "the following arguments are required: REV\n" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["--mbox", "--maildir"])
def test_a_mail_that_is_too_large_is_named(post: Post, where: str, capsys: Capture) -> None:
    """It is not reported missing; one that nobody asked for is skipped."""
    filler = b"x" * 70 + b"\n"
    lunch = Clean({**post.mails[1].headers, "Message-Id": "<9@x>", "Subject": "Lunch"}, ["At one."])
    other = archives.as_mail(lunch, lunch.lines) + filler * 260_000
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
    noise = archives.as_mail(lunch, lunch.lines)
    huge = archives.as_mail(lunch, ["x" * 9_000])
    answers = []
    for number in NUMBERS:
        clean = post.mails[number]
        headers = {**clean.headers, "Subject": f"Re: {clean.headers['Subject']}"}
        headers["Message-Id"] = f"<re{number}@x>"
        quoted = ["Ada wrote:", *(f"> {line}" for line in clean.lines), "Nice."]
        answers.append(archives.as_mail(Clean(headers, quoted), quoted))
    mails = [*answers, *[noise] * 2_500, huge, *map(post.mail, reversed(NUMBERS)), *answers]
    assert post.run("--mbox", post.box(*mails)) == 0
    facts = load_registered("v4-original", "2.6.24")
    assert {mail["verdict"] for mail in facts.mails} == {"exact"}


def test_what_does_not_fit_is_named_by_its_line_in_the_mailbox(post: Post, capsys: Capture) -> None:
    """Context is not part of the digest, so the mail is exact."""
    clean = post.mails[5]
    # More lines of context than fuzz may leave out.
    lines = [" \tno_such_line();" if line.startswith(" \t") else line for line in clean.lines]
    mails = [*[post.mail(number) for number in (1, 2, 3, 4)], archives.as_mail(clean, lines)]
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
    page.write_bytes(archives.as_marc(post.mails[4], post.mails[4].lines))
    text = post.folder / "text.txt"
    text.write_bytes(
        archives.as_text(post.mails[5], [line.lstrip() for line in post.mails[5].lines])
    )
    assert post.run(page, text, "--maildir", folder) == 0
    assert "v4-original" in capsys.readouterr().out


def test_a_damaged_registration_is_said(post: Post, own_data: Path, capsys: Capture) -> None:
    assert post.run("--mbox", post.whole()) == 0
    (facts,) = own_data.glob("v4-original/*/original.json")
    facts.write_text("{}")
    assert main(["check", str(post.folder)]) == 2
    with pytest.raises(Exception, match=r"original\.json: is damaged"):
        load_revision("v4-original")
    facts.unlink()
    assert registered() == {}


@pytest.mark.parametrize(
    "facts",
    [
        "[]",
        '{"revision": "v4", "mails": [], "ours": "0006"}',
        '{"revision": "v4", "mails": [{"label": 5, "verdict": "exact"}], "ours": []}',
        '{"revision": "v4", "mails": [{"label": "v4 1/5"}], "ours": []}',
        '{"revision": "v4", "mails": [{"label": "v4 1/5", "verdict": NaN}], "ours": []}',
        '{"revision": "../v4", "mails": [], "ours": []}',
        None,
    ],
)
def test_every_command_says_that_a_registration_is_damaged(
    post: Post, own_data: Path, facts: str | None, capsys: Capture
) -> None:
    """None: the `series` file exists, and names nothing."""
    assert post.run("--mbox", post.whole()) == 0
    (file,) = own_data.glob("v4-original/*/original.json")
    if facts is None:
        file = file.with_name("series")
        facts = "# nothing\n"
    file.write_text(facts)
    campaign = post.folder / "try.toml"
    campaign.write_text(
        'name = "try"\nkernel = { base = "2.6.24" }\nmatrix = { series = "v4-original", '
        'memory_mib = 64, machine = "pc", scenario = "s" }\n[scenario.s]\nduration_s = 9\n'
        "step = [{ at_s = 0, swappiness = 5 }]\n"
    )
    capsys.readouterr()
    for words in (
        ["series", "list"],
        ["series", "apply", "v4-original", "--tree", str(post.tree), "--for", "2.6.24"],
        ["series", "diff", "v4-original/2.6.24", "v4/2.6.24"],
        ["series", "trees", str(post.tree), "--series", "v4-original"],
        ["kernel", "build", "2.6.24", "--series", "v4-original"],
        ["run", str(campaign)],
    ):
        assert main(words) == 2, words
        said = capsys.readouterr().err
        assert said.count(f"{file}: is damaged (`memnotify series originals` writes") == 1, words
        assert said.count("\n") == 1, said


def test_a_registration_that_cannot_be_written(post: Post, own_data: Path, capsys: Capture) -> None:
    own_data.parent.mkdir(parents=True)
    own_data.write_text("a file")
    assert post.run("--mbox", post.whole()) == 2
    assert "cannot be written (set XDG_DATA_HOME" in capsys.readouterr().err


def test_an_import_that_says_something_else_is_refused(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:

    def wrongly(*args: Any, **options: Any) -> ImportedSeries:
        made = import_in_order(*args, **options)
        first = made.patches[0]
        assert isinstance(first, Imported)
        first = dataclasses.replace(first, data=first.data.replace(b"+\t\tadd_", b"+\t\tsub_"))
        return dataclasses.replace(made, patches=(first, *made.patches[1:]))

    monkeypatch.setattr(ours, "import_in_order", wrongly)
    assert post.run("--mbox", post.whole()) == 2
    assert "0001-lamp-1.patch would not have the lines of v4 1/5" in capsys.readouterr().err
    assert registered() == {}


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
    (post.folder / "mail").write_bytes(archives.as_mail(Clean(headers, lines), lines))
    found = identify(read_mails(post.folder / "mail"), originals_of("v4").mails)
    assert found[0].verdict is verdict


def test_the_same_text_in_another_mail_is_taken_and_said(post: Post, capsys: Capture) -> None:
    clean = post.mails[1]
    other = Clean({**clean.headers, "Message-Id": "<resent@example.org>"}, clean.lines)
    box = post.box(
        archives.as_mail(other, other.lines), *[post.mail(number) for number in (2, 3, 4, 5)]
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
    assert "a hunk that stands there twice taken once" in capsys.readouterr().out


def doubled(lines: list[str]) -> str:
    text = "".join(
        line.line_type + re.sub(r"\s", "", line.value)
        for part in PatchSet("\n".join(lines[begin(lines) :]) + "\n")
        for hunk in part
        for line in hunk
        if line.line_type in "+-"
    )
    return sha(text + text)


# --- lore


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


# --- bases


def test_the_nearest_base_that_can_be_had_and_fits(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    readers: dict[str, Any] = {"2.6.24": read_tree(post.tree)}
    tried = []

    def files(base: Any, **_: Any) -> Any:
        tried.append(base.name)
        if base.name not in readers:
            raise InfrastructureError("unreachable", f"no source of {base.name}")
        return readers[base.name]

    monkeypatch.setattr(ours, "base_files", files)
    assert post.run("--mbox", post.whole(), tree=False) == 0
    assert tried == ["2.6.24-rc6-mm1", "2.6.24"]
    said = capsys.readouterr().out
    assert "not for 2.6.24-rc6-mm1: no source of 2.6.24-rc6-mm1" in said
    # A base that is available, but that the mails do not fit.
    (post.folder / "bare").mkdir()
    bare = made_up_tree(post.folder / "bare", [])
    readers["2.6.24-rc6-mm1"] = read_tree(bare)
    assert post.run("--mbox", post.whole(), tree=False) == 0
    assert "which is not in the tree" in capsys.readouterr().out
    readers["2.6.24"] = read_tree(bare)
    assert post.run("--mbox", post.whole(), tree=False) == 2
    assert "not in the tree" in capsys.readouterr().err.splitlines()[-1]
    readers.clear()
    assert post.run("--mbox", post.whole(), tree=False) == 3
    assert registered() == {"v4-original": ("2.6.24",)}


# --- builds, campaigns and checks


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an original of one mail, for the small tree of fakekernel."""
    text = (TREE / "mm/vmstat.c").read_text().split("\n")
    lines = [
        *("One.", "", "diff --git a/mm/vmstat.c b/mm/vmstat.c"),
        *("--- a/mm/vmstat.c", "+++ b/mm/vmstat.c", "@@ -1,3 +1,4 @@"),
        *("+int as_posted;", *(f" {line}" for line in text[:3])),
    ]
    (tmp_path / "originals.toml").write_text(
        '[revision.v4]\nbases = ["6.1"]\n[[mail]]\nrevision = "v4"\npart = 1\nof = 1\n'
        'subject = "[PATCH] lamp"\nmessage_id = "1.ADA@example.org"\ndate = "then"\n'
        f'digest = "{expected(lines)}"\n'
    )
    monkeypatch.setattr(on_file, "FILE", tmp_path / "originals.toml")
    headers = {
        "From": AUTHOR,
        "Date": "now",
        "Subject": "[PATCH] lamp",
        "Message-Id": "<1.ADA@example.org>",
    }
    file = tmp_path / "mail"
    file.write_bytes(archives.as_mail(Clean(headers, lines), lines))
    return file


def test_a_kernel_is_built_of_a_registered_original(
    small: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["series", "originals", "v4", str(small), "--tree", str(TREE)]) == 0
    lab = Lab(tmp_path / "lab").set_up()
    request = KernelRequest(base="6.1", series="v4-original", arch=Arch.X86_64, source=str(TREE))
    built = ensure_kernel(
        request, store=lab.store, log=lab.log, progress=lab.said.append, kernels=lab.kernels
    )
    assert "as_posted" in built.file("System.map").read_text()
    assert built.inputs["revision"] == "v4-original"


def test_a_campaign_names_an_original_and_check_holds_it_to_its_promises(
    small: Path, tmp_path: Path, capsys: Capture
) -> None:
    bench = Bench(tmp_path)
    bench.file.write_text(TEXT.replace('"none", "v4"', '"v4", "v4-original"'))
    assert main(["run", str(bench.file), "-o", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "try.toml:5: matrix.series[1]: there is no series v4-original" in said
    assert "series originals v4` to make it from the mails" in said
    assert main(["series", "originals", "v4", str(small), "--tree", str(TREE)]) == 0
    cells = plan_cells(load_campaign(bench.file))
    assert {cell.request.series for cell in cells} == {"v4", "v4-original"}
    run = bench.run(Guests())
    checked = [row.to_json() for row in check_run(run)]
    rows = [row for row in checked if row["series"] == "v4-original"]
    promised = {row["invariant"] for row in checked if row["series"] == "v4"}
    assert {row["invariant"] for row in rows} == promised
    assert "guard" in promised
