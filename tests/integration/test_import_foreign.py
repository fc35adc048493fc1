"""Text that is not the patch: examples, quotes, other patches, and what programs write below it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support.imports import change, new, run, small_tree

ADA, BOB = "Ada <ada@example.org>", "Bob <bob@example.org>"
SENT = "Tue, 15 Jan 2008 10:00:29 +0900"
SHOWN = change(30, "example")
OWN = change(10, "mine")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def raw(
    *lines: str, author: str = ADA, subject: str = "[PATCH] lamps", more: tuple[str, ...] = ()
) -> str:
    head = [f"From: {author}", f"Date: {SENT}", f"Subject: {subject}", *more]
    return "\n".join([*head, "", *lines]) + "\n"


def imported(tree: Path, text: str | bytes, *options: str, name: str = "m.eml") -> dict[str, str]:
    """Return the patches of an import by their names."""
    file = tree.parent / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    assert run(tree, tree.parent / "out", file, *options) == 0
    out = tree.parent / "out"
    return {patch.name: patch.path.read_text() for patch in read_series_file(out / "series")}


def result(tree: Path) -> dict[str, str]:
    """Return the files that the imported series makes."""
    patches = read_series_file(tree.parent / "out/series")
    files = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    return {name: state.data.decode() for name, state in files.items() if state is not None}


def by_git(tree: Path, text: str) -> dict[str, str]:
    """Return the files of the tree after `git apply`."""
    copy = tree.parent / "copy"
    subprocess.run(["cp", "-r", str(tree), str(copy)], check=True)
    subprocess.run(["git", "apply", "-"], cwd=copy, input=text.encode(), check=True)
    return {str(p.relative_to(copy)): p.read_text() for p in copy.rglob("*") if p.is_file()}


@pytest.mark.parametrize("margin", ["    ", "\t", "  ", "> ", "> > ", "| "])
@pytest.mark.parametrize("below", [False, True])
def test_a_diff_that_the_message_shows_is_no_part_of_the_patch(
    tree: Path, margin: str, below: bool
) -> None:
    shown = [margin + line for line in SHOWN]
    notes = ["", *shown, "", "but elsewhere.", ""]
    lines = ["As before:", *(("---", *notes) if below else (*notes, "---")), *OWN]
    (text,) = imported(tree, raw(*lines)).values()
    assert "but elsewhere." in text
    made = result(tree)
    assert list(made) == ["mm/a.c"]
    assert "\tmine;\n" in made["mm/a.c"]
    assert "example" not in made["mm/a.c"]


@pytest.mark.parametrize(
    "line",
    [
        "_",
        "Only in linux-2.6.24/mm: .a.c.swp",
        "Binary files linux/mm/a.o and linux-2.6.24/mm/a.o differ",
        "Files a/x.o and b/x.o differ",
        "=== modified file 'mm/b.c'",
        "==== //depot/mm/b.c#3 - /home/ada/mm/b.c ====",
        "Property changes on: mm/a.c",
        "Thanks, Ada",
        "> quoted",
    ],
)
@pytest.mark.parametrize("added_last", [False, True])
def test_a_hunk_whose_counts_are_complete_has_ended(
    tree: Path, capsys: pytest.CaptureFixture[str], line: str, added_last: bool
) -> None:
    lines = new("mm/w.h", "#ifndef W", "#define W 1", "#endif") if added_last else OWN
    imported(tree, raw("Text.", "---", *lines, line, line))
    made = result(tree)
    if added_last:
        assert made["mm/w.h"] == "#ifndef W\n#define W 1\n#endif\n"
    assert made == {name: text for name, text in by_git(tree, raw(*lines)).items() if name in made}
    said = capsys.readouterr().out
    assert ("[likely]" in said) == line.startswith("Binary")


@pytest.mark.parametrize(
    "sentence",
    ["No newline at end of file", "Kein Zeilenumbruch am Dateiende.", "改行がありません"],
)
def test_a_line_that_begins_with_a_backslash_and_a_blank_is_never_code(
    tree: Path, sentence: str
) -> None:
    imported(tree, raw("Text.", "---", *new("mm/w.txt", "one", "two"), f"\\ {sentence}"))
    assert result(tree) == {"mm/w.txt": "one\ntwo"}


def test_context_that_looks_like_a_diff_does_not_end_a_hunk(tree: Path) -> None:
    shown = ["--- a/x.c", "+++ b/x.c", "@@ -1,2 +1,2 @@", "Index: x", "diff -u x y"]
    (tree / "mm/doc.txt").write_text("\n".join(["one", *shown, "two"]) + "\n")
    lines = ["--- a/mm/doc.txt", "+++ b/mm/doc.txt", "@@ -1,7 +1,8 @@"]
    lines += [" one", "+more", *(f" {line}" for line in shown), " two"]
    imported(tree, raw("Text.", "---", *lines))
    assert result(tree)["mm/doc.txt"] == "\n".join(["one", "more", *shown, "two"]) + "\n"


FIRST = raw("First.", "---", *change(10, "mine"), author=BOB, subject="[PATCH 1/2] count")
SECOND = raw("Second.", "---", *change(30, "other"), subject="[PATCH 2/2] names")


def digest() -> str:
    parts = "".join(f"--b\n\n{part}\n" for part in (FIRST, SECOND))
    return raw(
        parts + "--b--",
        author="list@example.org",
        subject="lamps Digest, Vol 7",
        more=("MIME-Version: 1.0", 'Content-Type: multipart/digest; boundary="b"'),
    )


def attached(kind: str) -> str:
    parts = "".join(f"--b\nContent-Type: {kind}\n\n{part}\n" for part in (FIRST, SECOND))
    return raw(
        "--b\nContent-Type: text/plain\n\nTwo patches.\n\n" + parts + "--b--",
        subject="two patches",
        more=("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"'),
    )


def plain_digest() -> str:
    rule = "-" * 30
    parts = [f"{rule}\n\nMessage: {n}\n{part}" for n, part in enumerate((FIRST, SECOND), 1)]
    top = "Send lamps mailing list submissions to lamps@example.org\n\nToday's Topics:\n"
    return raw(top, *parts, rule, author="list@example.org", subject="lamps Digest, Vol 8")


def commit(text: str, number: int) -> str:
    head, _, body = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.split("\n"))
    message, _, diff = body.partition("\n---\n")
    lines = [fields["Subject"].partition("] ")[2], "", message]
    return "\n".join(
        [
            f"commit {number:040x}",
            f"Author: {fields['From']}",
            f"Date:   Tue Jan 15 1{number}:00:00 2008 +0900",
            "",
            *(f"    {line}".rstrip() for line in lines),
            "",
            diff,
        ]
    )


def log() -> str:
    return commit(SECOND, 2) + commit(FIRST, 1)


def shown_thread() -> str:
    """Return the page of a thread as public-inbox shows it."""
    shown = []
    for text in (FIRST, SECOND):
        head, _, body = text.partition("\n\n")
        subject, author = head.split("Subject: ")[1], head.split("From: ")[1].split(" <")[0]
        shown.append(f"<b>* {subject}</b>\n@ 2008-01-15 10:00 {author}\n\n{body}\n")
    return f"<html><body><title>[PATCH 0/2] lamps</title><pre>{''.join(shown)}</pre></body></html>"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (digest(), "m.eml"),
        (attached("text/x-patch"), "m.eml"),
        (attached("message/rfc822"), "m.eml"),
        (plain_digest(), "m.eml"),
        (log(), "log.txt"),
        (FIRST + "\n" + SECOND, "both.eml"),
        (f"{FIRST}\nFrom ada@example.org Mon Jan 14 20:02:23 2008\n{SECOND}", "mbox"),
    ],
    ids=["digest", "attached", "forwarded", "plain digest", "log", "one below the other", "mbox"],
)
def test_each_patch_has_its_own_author_and_message(tree: Path, text: str, name: str) -> None:
    one, other = imported(tree, text, name=name).items()
    assert (one[0], other[0]) == ("0001-count.patch", "0002-names.patch")
    assert f"From: {BOB}\n" in one[1]
    assert f"From: {ADA}\n" in other[1]
    for mark, patch in (("First.", one[1]), ("Second.", other[1])):
        assert patch.count(mark) == 1
    assert "Second." not in one[1]
    made = result(tree)["mm/a.c"]
    assert "\tmine;\n" in made
    assert "\tother;\n" in made


@pytest.mark.parametrize(
    "above",
    [
        "---------- Forwarded message ----------",
        "-------- Original Message --------",
        "-----Original Message-----",
        "Begin forwarded message:\n",
        "From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001",
    ],
)
@pytest.mark.parametrize("subject", ["Fwd: [PATCH] lamps", "please take this"])
def test_a_forwarded_patch_has_its_own_author(
    tree: Path, capsys: pytest.CaptureFixture[str], above: str, subject: str
) -> None:
    lines = ["Ada found this.", "", above, raw("Text.", "---", *OWN, more=("To: bob@x",))]
    ((name, text),) = imported(tree, raw(*lines, author=BOB, subject=subject)).items()
    assert name == "0001-lamps.patch"
    assert text.startswith(f"From: {ADA}\nDate: {SENT}\nSubject: [PATCH] lamps\n")
    assert "Ada found this." not in text
    assert "To: bob" not in text
    assert "[likely]" not in capsys.readouterr().out


def test_the_page_of_a_thread_has_several_patches(tree: Path) -> None:
    one, other = imported(tree, shown_thread(), name="thread.html").items()
    assert (one[0], other[0]) == ("0001-count.patch", "0002-names.patch")
    assert "From: Bob <>\n" in one[1]
    assert "Second." in other[1]


def test_two_diffs_around_the_end_of_a_message_are_refused(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*new("mm/w.txt", "x"), "", "Signed-off-by: Ada", "---", *OWN]
    file = tree.parent / "m.eml"
    file.write_text(raw("Text.", "", *lines))
    assert run(tree, tree.parent / "out", file) == 2
    assert "a diff above the --- that ends a message" in capsys.readouterr().err


def test_a_binary_file_that_differs_is_reported(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "Binary files linux/mm/a.o and new/mm/a.o differ"
    file = tree.parent / "m.eml"
    file.write_text(raw("Text.", "---", *OWN, line))
    words = ["series", "import", str(file), "--tree", str(tree), "-o", str(tree.parent / "o")]
    assert main([*words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [repair["sure"] for repair in row["repairs"] if "binary" in repair["detail"]] == [False]
