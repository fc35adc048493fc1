"""Mails as archives keep them, imported from the command line."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.series.apply import FileState, apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support import archives
from tests.support.archive_forms import (
    as_attachment,
    as_flowed,
    as_hypermail,
    as_lkml,
    as_mail,
    as_marc,
    as_mbox,
    as_spinics,
    as_text,
)
from tests.support.archives import Clean, Lines, clean_patch

MAIL = Path(__file__).with_name("fakemail")
OLD, NEW = MAIL / "old", MAIL / "new"
HEADERS = {
    "From": "Ada Lux <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[RFC][PATCH 3/5] make lamps tell",
    "Message-Id": "<20080115100029.1178.ADA@example.org>",
}
CLEAN = clean_patch(OLD, NEW, HEADERS)
NAME = "0003-make-lamps-tell.patch"


def run(output: Path, *mails: Path | str, options: tuple[str, ...] = ()) -> int:
    words = ["series", "import", *map(str, mails), "--tree", str(OLD), "-o", str(output), *options]
    return main(words)


def applied(folder: Path, tree: Path = OLD) -> dict[str, FileState | None]:
    """Return the result of a folder's series on the tree; strictly, without fuzz."""
    patches = read_series_file(folder / "series")
    return dict(apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files)


def is_new(files: dict[str, FileState | None]) -> bool:
    return (
        all(
            state is not None and state.data == (NEW / name).read_bytes()
            for name, state in files.items()
        )
        and "drivers/lamp.c" in files
    )


Form = Callable[[Clean, Lines], bytes]


@pytest.mark.parametrize(
    ("form", "suffix"),
    [
        (as_mail, "eml"),
        (lambda c, n: as_mail(c, n, crlf=True), "eml"),
        (lambda c, n: as_mail(c, n, encoding="quoted-printable"), "eml"),
        (lambda c, n: as_mail(c, n, encoding="base64"), "eml"),
        (as_flowed, "eml"),
        (as_attachment, "eml"),
        (lambda c, n: as_mbox([as_mail(c, n)]), "mbox"),
        (as_hypermail, "html"),
        (as_marc, "html"),
        (as_spinics, "html"),
        (as_lkml, "html"),
        (as_text, "txt"),
    ],
    ids=[
        *("raw", "crlf", "qp", "base64", "flowed", "attached", "mbox"),
        *("hypermail", "marc", "spinics", "lkml", "text"),
    ],
)
def test_every_form_gives_the_same_patch(tmp_path: Path, form: Form, suffix: str) -> None:
    file = tmp_path / f"mail.{suffix}"
    file.write_bytes(form(CLEAN, CLEAN.lines))
    assert run(tmp_path / "out", file) == 0
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [NAME, "series"]
    assert is_new(applied(tmp_path / "out"))
    text = (tmp_path / "out" / NAME).read_text()
    assert "Subject: [RFC][PATCH 3/5] make lamps tell\n" in text
    assert "From: Ada Lux" in text
    if suffix != "txt" and form is not as_lkml:
        assert "20080115100029.1178.ADA@example.org" in text


def test_importing_the_output_again_gives_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "page.txt"
    kinds = {"masked", "collapsed", "eaten", "stale_diffstat"}
    file.write_bytes(as_text(CLEAN, archives.damaged(CLEAN, kinds, random.Random(3))))
    assert run(tmp_path / "one", file) == 0
    assert run(tmp_path / "two", tmp_path / "one" / NAME) == 0
    assert run(tmp_path / "three", tmp_path / "two") == 0
    first = (tmp_path / "one" / NAME).read_bytes()
    assert b"X-Memnotify-Repair: " in first
    assert first == (tmp_path / "two" / NAME).read_bytes()
    assert first == (tmp_path / "three" / NAME).read_bytes()


@pytest.mark.parametrize("form", [as_mail, as_text, as_hypermail])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_mail_that_is_signed_inline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Form, escaped: bool
) -> None:
    """RFC 4880 7.1: "- " precedes lines that begin with a dash; some archives undo that."""
    body = [f"- {line}" if escaped and line.startswith("-") else line for line in CLEAN.lines]
    head = ["-----BEGIN PGP SIGNED MESSAGE-----", "Hash: SHA1", ""]
    foot = ["-----BEGIN PGP SIGNATURE-----", "", "iD8DBQFHj", "=abcd"]
    end = ["-----END PGP SIGNATURE-----"]
    file = tmp_path / "mail.html"
    file.write_bytes(form(CLEAN, [*head, *body, *foot, *end]))
    assert run(tmp_path / "out", file, options=("--json",)) == 0
    assert ("inline PGP signature" in capsys.readouterr().out) == escaped
    assert is_new(applied(tmp_path / "out"))
    patch = (tmp_path / "out" / NAME).read_text()
    assert [line for line in CLEAN.lines if line.startswith("@@")] == [
        line for line in patch.splitlines() if line.startswith("@@")
    ]
    assert not escaped or "BEGIN PGP" not in patch


def test_the_report_names_each_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = archives.damaged(CLEAN, {"masked", "collapsed", "eaten"}, random.Random(1))
    file = tmp_path / "page.txt"
    file.write_bytes(as_text(CLEAN, lines))
    assert run(tmp_path / "out", file, options=("--json",)) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == NAME
    assert (row["number"], row["total"]) == (3, 5)
    assert row["sha256"] == archives.digest(file)
    kinds = {repair["kind"]: repair for repair in row["repairs"]}
    assert "lines taken byte for byte from the tree" in kinds
    assert kinds["white space of added lines put back"]["sure"] is False
    assert any("ada" in r["detail"] for r in row["repairs"] if "masked" in r["kind"])


@pytest.mark.parametrize("more", [-1, 1, 2])
def test_a_page_goes_on_below_a_hunk_that_counts_wrong(tmp_path: Path, more: int) -> None:
    lines = list(CLEAN.lines)
    at = max(at for at, line in enumerate(lines) if line.startswith("@@ "))
    before, comma, count = lines[at].removesuffix(" @@").rpartition(",")
    lines[at] = f"{before}{comma}{int(count) + more} @@"
    file = tmp_path / "mail.html"
    file.write_bytes(as_hypermail(CLEAN, lines))
    assert run(tmp_path / "out", file) == 0
    assert is_new(applied(tmp_path / "out"))


def parts() -> list[Clean]:
    """Return the clean patch in pieces: one patch for each file, 1/4 to 5/4."""
    begins = [at for at, line in enumerate(CLEAN.lines) if line.startswith("diff --git")]
    head = CLEAN.lines[: begins[0]]
    found = []
    for number, (begin, end) in enumerate(
        zip(begins, [*begins[1:], len(CLEAN.lines)], strict=True), 1
    ):
        subject = f"[PATCH v4 {number}/{len(begins)}] part {number}"
        headers = {**HEADERS, "Subject": subject, "Message-Id": f"<{number}@example.org>"}
        found.append(Clean(headers, head + CLEAN.lines[begin:end]))
    return found


def test_a_thread_is_put_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three, *_ = (as_mail(part, part.lines) for part in parts())
    cover = Clean({**HEADERS, "Subject": "[PATCH v4 0/5] lamps"}, ["Lamps,", "in short."])
    reply = Clean(
        {**HEADERS, "Subject": "Re: [PATCH v4 2/5] part 2"},
        ["> " + line for line in parts()[1].lines] + ["Nice."],
    )
    file = tmp_path / "thread.mbox"
    mails = [three, as_mail(reply, reply.lines), one, two]
    file.write_bytes(as_mbox([as_mail(cover, cover.lines), *mails]))
    assert run(tmp_path / "out", file) == 0
    series = (tmp_path / "out/series").read_text().split()
    assert series == ["0001-part-1.patch", "0002-part-2.patch", "0003-part-3.patch"]
    said = capsys.readouterr().out
    assert "missing: 4/5, 5/5" in said
    assert "only quotes a patch: left out" in said
    assert "no diff in “[PATCH v4 0/5] lamps”" in said


def test_several_pages_in_one_text(tmp_path: Path) -> None:
    file = tmp_path / "pages.txt"
    file.write_bytes(b"\n\n".join(as_text(part, part.lines) for part in parts()))
    assert run(tmp_path / "out", file) == 0
    assert len(read_series_file(tmp_path / "out/series")) == 5
    assert is_new(applied(tmp_path / "out"))


def test_a_maildir(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    for number, part in enumerate(parts()):
        place = "cur" if number % 2 else "new"
        (tmp_path / "mail" / place / str(9 - number)).write_bytes(as_mail(part, part.lines))
    assert run(tmp_path / "out", tmp_path / "mail") == 0
    assert is_new(applied(tmp_path / "out"))


def test_a_patch_takes_the_place_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all.txt"
    file.write_bytes(b"\n\n".join(as_text(part, part.lines) for part in parts()))
    assert run(tmp_path / "out", file) == 0
    series = tmp_path / "out/series"
    series.write_text(
        "# lamps\n" + series.read_text().replace("4-part-4.patch", "4-part-4.patch -p1")
    )
    before = series.read_text()
    other = parts()[1]
    real = Clean({**other.headers, "Subject": "[PATCH 2/5] the real one"}, other.lines)
    mail = tmp_path / "real.eml"
    mail.write_bytes(as_mail(real, real.lines))
    assert run(tmp_path / "out", mail) == 2
    assert "replace them with --replace" in capsys.readouterr().err
    assert series.read_text() == before
    assert run(tmp_path / "out", mail, options=("--replace",)) == 0
    assert series.read_text() == before.replace("0002-part-2", "0002-the-real-one")
    assert not (tmp_path / "out/0002-part-2.patch").exists()
    assert is_new(applied(tmp_path / "out"))


def ambiguous(tmp_path: Path) -> Path:
    """Make a mail for one of two places that look the same; its line numbers match neither."""
    text = [
        "--- a/drivers/lamp.c",
        "+++ b/drivers/lamp.c",
        "@@ -3,4 +3,5 @@",
        " \tspin_lock(&lamp->lock);",
        " \tlamp->watt = 0;",
        "+\tlamp->state = LAMP_OFF;",
        " \tspin_unlock(&lamp->lock);",
        " }",
    ]
    file = tmp_path / "ambiguous.txt"
    file.write_bytes(as_text(CLEAN, text))
    return file


def test_two_places_are_reported_and_never_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ambiguous(tmp_path)
    assert run(tmp_path / "out", file) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"memnotify: {file}:9: hunk 1 of 1 fits drivers/lamp.c equally well at")
    assert "--interactive" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("answer", "place"), [("1\n", 0), ("nonsense\n9\n2\n", 1)])
def test_the_user_decides(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    place: int,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert run(tmp_path / "out", ambiguous(tmp_path), options=("--interactive",)) == 0
    first, _, second = capsys.readouterr().err.partition("--- 2")
    assert "--- 1\ndrivers/lamp.c:" in first
    assert "+\tlamp->state = LAMP_OFF;" in first and "+\tlamp->state = LAMP_OFF;" in second
    state = applied(tmp_path / "out")["drivers/lamp.c"]
    assert state is not None
    functions = state.data.decode().partition("lamp_second")
    assert ("LAMP_OFF;" in functions[0], "LAMP_OFF;" in functions[2]) == (place == 0, place == 1)


def test_a_wrapped_string_is_not_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = next(at for at, line in enumerate(CLEAN.lines) if "too bright: %u" in line)
    line = CLEAN.lines[at]
    cut = line.index("%u")
    lines = [*CLEAN.lines[:at], line[: cut - 1], line[cut:], *CLEAN.lines[at + 1 :]]
    file = tmp_path / "mail.txt"
    file.write_bytes(as_text(CLEAN, lines))
    assert run(tmp_path / "out", file) == 2
    assert "a string of drivers/lamp.c was wrapped" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    assert run(tmp_path / "out", file, options=("--interactive",)) == 0
    shown = capsys.readouterr().err
    assert f"--- 1\n{line[1:cut]}%u" in shown
    assert f"--- 2\n{line[1 : cut - 1]}%u" in shown
    assert is_new(applied(tmp_path / "out"))


def test_fuzz_leaves_out_what_the_tree_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(OLD, tree)
    source = tree / "drivers/lamp.c"
    missing = "\tunsigned int mask = 0;\n"
    source.write_text(source.read_text().replace(missing, ""))
    file = tmp_path / "mail.txt"
    file.write_bytes(as_text(CLEAN, CLEAN.lines))
    words = ["series", "import", str(file), "--tree", str(tree), "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "does not fit drivers/lamp.c (it would with --fuzz 2)" in capsys.readouterr().err
    assert main([*words, "--fuzz", "2"]) == 0
    assert "context that the tree does not have left out" in capsys.readouterr().out
    state = applied(tmp_path / "out", tree)["drivers/lamp.c"]
    assert state is not None
    assert state.data.decode() == (NEW / "drivers/lamp.c").read_text().replace(missing, "")
