"""Original mails found, checked, imported and registered; the mails are made of our own patches."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from memnotify import toml
from memnotify.cli.main import main
from memnotify.kernel import originals as ours
from memnotify.mailpatch import originals as on_file
from memnotify.mailpatch.digest import patch_digests
from memnotify.mailpatch.mail import read_mails
from memnotify.mailpatch.originals import MailVerdict, identify, originals_of
from memnotify.mailpatch.restore_series import Imported, ImportedSeries, import_in_order
from memnotify.series.quilt import bases_of, load_series
from memnotify.series.registered import load_registered, registered
from memnotify.series.revision import load_revision

from tests.support.posted import (
    MASKED,
    NUMBERS,
    SEED,
    Capture,
    Post,
    altered,
    expected,
    masked,
    sha,
)

pytestmark = pytest.mark.usefixtures("own_data")


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
    assert "The patches of the mails, with a changed text: 2/5, 3/5." in told
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
