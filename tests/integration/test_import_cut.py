"""Incomplete mails: cut at the end, or with a part missing in the middle."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from memnotify.cli.main import main

from tests.support import archive_forms, archives
from tests.support.archives import clean_patch

MAIL = Path(__file__).with_name("fakemail")
OLD, NEW = MAIL / "old", MAIL / "new"
HEADERS = {
    "From": "Ada Lux <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[PATCH 3/5] make lamps tell",
    "Message-Id": "<20080115100029.1178.ADA@example.org>",
}
CLEAN = clean_patch(OLD, NEW, HEADERS)
LINES = CLEAN.lines
# The first hunk of a file that the patch creates, and of one that it changes.
CREATES = next(at for at, line in enumerate(LINES) if line.startswith("@@ -0,0 "))
CHANGES = next(at for at, line in enumerate(LINES) if re.match(r"@@ -[1-9]", line))


def run(tmp_path: Path, lines: Sequence[str], *options: str) -> tuple[int, Path]:
    mail = tmp_path / "mail.txt"
    mail.write_bytes(archive_forms.as_text(CLEAN, list(lines)) + b"\n")
    words = ["series", "import", str(mail), "--tree", str(OLD), "-o", str(tmp_path / "out")]
    return main([*words, *options]), mail


def refusal(tmp_path: Path, lines: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Import a mail that must be refused, and return the error, without the file's name."""
    code, mail = run(tmp_path, lines)
    said = capsys.readouterr().err
    assert code == 2
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
    prefix, _, rest = said.partition(f"{mail}:")
    assert prefix == "memnotify: "
    number, _, message = rest.partition(": ")
    assert 0 < int(number) <= len(mail.read_text().splitlines())
    return message


def new_file() -> tuple[list[str], int]:
    """Return the patch up to the end of the file that it creates, and that file's line count."""
    found = re.match(r"@@ -0,0 \+1,(\d+) @@", LINES[CREATES])
    assert found
    return LINES[: CREATES + 1 + int(found[1])], int(found[1])


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_a_mail_cut_in_a_new_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lost: int
) -> None:
    lines, count = new_file()
    said = refusal(tmp_path, lines[:-lost], capsys)
    assert "the mail ends in hunk 1 of 1 of " in said
    assert f": {count - lost} of {count} lines are there" in said


@pytest.mark.parametrize(("lost", "stat", "code"), [(2, False, 0), (3, False, 2), (2, True, 2)])
def test_above_a_signature_a_header_may_count_wrong_by_two(
    tmp_path: Path, lost: int, stat: bool, code: int
) -> None:
    """If there is no diffstat with the same count."""
    lines, _ = new_file()
    lines = [line for line in lines if stat or "files changed" not in line]
    assert run(tmp_path, [*lines[:-lost], "-- ", "Ada"])[0] == code


@pytest.mark.parametrize("change", [-1, 2])
def test_before_another_file_a_header_may_count_wrong(tmp_path: Path, change: int) -> None:
    lines, count = new_file()
    lines = [*lines, *LINES[len(lines) :]]
    begin = max(at for at in range(CREATES) if LINES[at].startswith("diff --git"))
    end = CREATES + 1 + count
    file = [*lines[begin:CREATES], f"@@ -0,0 +1,{count + change} @@", *lines[CREATES + 1 : end]]
    others = lines[end:] if end < len(lines) else []
    first = next(at for at, line in enumerate(lines) if line.startswith("diff --git"))
    assert run(tmp_path, [*lines[:first], *file, *lines[first:begin], *others])[0] == 0


@pytest.mark.parametrize("kept", [1, 2, -1])
def test_a_mail_cut_in_a_hunk_of_context(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    after = (at for at in range(CHANGES + 1, len(LINES)) if LINES[at].startswith(("@@", "diff")))
    end = next(after, len(LINES))
    lines = LINES[: CHANGES + 1 + kept] if kept > 0 else LINES[: end + kept]
    said = refusal(tmp_path, lines, capsys)
    assert "the mail ends in hunk 1 of 1 of " in said
    assert "lines are there" in said
    assert "is this the base" not in said


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_mail_cut_in_the_header_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    header = ["Index: linux/mm/last.c", "=" * 67, "--- linux.orig/mm/last.c", "+++ linux/mm/last.c"]
    said = refusal(tmp_path, [*LINES, *header[:kept]], capsys)
    assert said.startswith("the mail ends in the header of linux/mm/last.c")


def test_git_headers_need_a_hunk_unless_they_say_it_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rename = [
        "diff --git a/Makefile b/Kbuild",
        "similarity index 100%",
        "rename from Makefile",
        "rename to Kbuild",
    ]
    said = refusal(tmp_path, [*LINES, *rename, "index 1234567..89abcde 100644"], capsys)
    assert said.startswith("the mail ends in the header of b/Kbuild")
    said = refusal(tmp_path, [*LINES, rename[0]], capsys)
    assert said.startswith("the mail ends in the header of b/Kbuild")
    assert run(tmp_path, [*LINES, *rename])[0] == 0


@pytest.mark.parametrize("instead", [[], [""]], ids=["gone", "emptied"])
def test_a_header_without_its_second_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], instead: list[str]
) -> None:
    at = next(at for at in range(CHANGES, 0, -1) if LINES[at].startswith("+++ "))
    said = refusal(tmp_path, [*LINES[:at], *instead, *LINES[at + 1 :]], capsys)
    assert said.startswith("a --- line without its +++ line")


OLD_NAMES = [at for at, line in enumerate(LINES) if line.startswith("--- ")]


@pytest.mark.parametrize("at", [OLD_NAMES[0], OLD_NAMES[1], OLD_NAMES[-1]])
def test_a_header_without_its_first_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at: int
) -> None:
    """Without it, the file would be left out, or the rest of a first diff taken for the message."""
    said = refusal(tmp_path, [*LINES[:at], *LINES[at + 1 :]], capsys)
    assert said.startswith(("a diff of which the --- line, ", "a +++ line without its --- line"))
    bare = [line for line in LINES if not line.startswith(("diff --git", "index "))]
    at = bare.index(LINES[at])
    said = refusal(tmp_path, [*bare[:at], *bare[at + 1 :]], capsys)
    assert said.startswith("a +++ line without its --- line")


def test_an_odd_line_in_a_header_is_no_lost_file(tmp_path: Path) -> None:
    at = OLD_NAMES[1]
    assert run(tmp_path, [*LINES[:at], "", *LINES[at:]])[0] == 0


DAMAGES: dict[str, Callable[[str], str]] = {
    "no counts": lambda line: re.sub("@@ .*", "@@", line),
    "no names": lambda line: re.sub(r"(---|\+\+\+) \S*/.*", "", line),
    "numbered": lambda line: f"12: {line}",
    "half quoted": lambda line: f"> {line}" if line.startswith("@@") else line,
}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("git", [True, False])
def test_a_diff_that_cannot_be_read_is_not_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, git: bool
) -> None:
    begin = next(at for at, line in enumerate(LINES) if line.startswith("diff --git"))
    lines = [DAMAGES[kind](line) if at >= begin else line for at, line in enumerate(LINES)]
    if not git:
        lines = [line for line in lines if "diff --git" not in line and "index " not in line]
    said = refusal(tmp_path, lines, capsys)
    assert said.startswith(("a diff that cannot be read", "a diff of which the --- line, "))


def test_answers_and_cover_letters_may_speak_of_diffs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "3").write_bytes(archive_forms.as_mail(CLEAN, LINES))
    said = ["> diff --git a/mm/x.c b/mm/x.c", ">", "> @@ -1,3 +1,4 @@ int x", "> +", "", "No."]
    changed = ["Range-diff:", "    @@ -1,3 +1,4 @@", " mm/x.c | 2 ++", " 1 file changed"]
    for number, subject, lines in [
        (0, "[PATCH 0/5] lamps", changed),
        (1, "Re: [PATCH 3/5] make lamps tell", said),
        (2, "Re: [PATCH 4/5] make lamps dim", said),
    ]:
        headers = {**HEADERS, "Subject": subject, "Message-Id": f"<{number}@example.org>"}
        mail = archive_forms.as_mail(archives.Clean(headers, lines), lines)
        (tmp_path / str(number)).write_bytes(mail)
    mails = [str(tmp_path / str(number)) for number in range(4)]
    words = ["--tree", str(OLD), "-o", str(tmp_path / "out")]
    assert main(["series", "import", *mails, *words]) == 0
    assert capsys.readouterr().out.count("no diff in ") == 1
    assert len(list((tmp_path / "out").glob("*.patch"))) == 1


@pytest.mark.parametrize("shown", ["drivers/lamp.c", ".../lamp.c"])
def test_a_file_of_the_diffstat_that_has_no_diff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shown: str
) -> None:
    lines = [line.replace(" drivers/lamp.c |", f" {shown} |") for line in LINES]
    begin = lines.index("diff --git a/drivers/lamp.c b/drivers/lamp.c")
    after = (at for at in range(begin + 1, len(lines)) if lines[at].startswith("diff --git"))
    end = next(after)
    code, _ = run(tmp_path, lines)
    assert code == 0
    assert "diffstat names" not in capsys.readouterr().out
    code, _ = run(tmp_path, [*lines[:begin], *lines[end:]], "--replace")
    assert code == 0
    said = capsys.readouterr().out
    assert f"diffstat names {shown.lstrip('./')}, for which it has no diff" in said


@pytest.mark.parametrize("below", ["", "below"])
def test_the_output_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    mail = tmp_path / "mail.txt"
    mail.write_bytes(archive_forms.as_text(CLEAN, LINES))
    words = ["series", "import", str(mail), "--tree", str(OLD), "-o", str(mail / below)]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"memnotify: {mail}: is a file, not a folder")


def test_a_number_that_the_folder_has_is_not_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, LINES)[0] == 0
    assert "missing: 1/5, 2/5, 4/5, 5/5" in capsys.readouterr().out
    out = tmp_path / "out"
    (name,) = (file.name for file in out.glob("*.patch"))
    tree = tmp_path / "tree"
    shutil.copytree(OLD, tree)
    (out / "0001-note.patch").write_text("--- /dev/null\n+++ b/note\n@@ -0,0 +1 @@\n+note\n")
    (out / "series").write_text(f"0001-note.patch\n{name}\n")
    assert run(tmp_path, LINES, "--replace")[0] == 0
    assert "missing: 2/5, 4/5, 5/5\n" in capsys.readouterr().out


def test_a_series_that_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = tmp_path / "nope"
    assert main(["series", "diff", "v4/2.6.24", str(nowhere)]) == 2
    assert f"{nowhere} is neither a folder nor the name of a series" in capsys.readouterr().err
