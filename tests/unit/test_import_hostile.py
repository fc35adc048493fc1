"""Mails that are not patches, or mean harm: one clear line, and nothing written."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.mailpatch.changes import Change, Lines, diff_text
from memnotify.mailpatch.page import looks_like_page
from memnotify.mailpatch.patchfile import split_message

HEAD = b"Subject: [PATCH] x\nFrom: a <a@example.org>\nDate: now\n\n"
MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\n"
LINES = "".join(f"\tline({n});\n" for n in range(1, 40))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "mm/a.c").write_text(LINES)
    (tree / "mm/braces.c").write_text("}\n" * 20_000)
    (tree / "mm/empty.c").write_text("\n" * 20_000)
    (tree / "mm/calls.c").write_text("".join(f"\tfoo_{n} = bar(baz, {n});\n" for n in range(3000)))
    (tree / "mm/link.c").symlink_to("a.c")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/b.c").write_text(LINES)
    (tree / "out").symlink_to(tmp_path / "secret")
    return tree


def diff(
    path: str = "mm/a.c", *, old: str = "1,3", new: str = "1,4", plus: str = "+\tx();"
) -> bytes:
    lines = ["--- a/" + path, "+++ b/" + path, f"@@ -{old} +{new} @@"]
    lines += [" \tline(1);", plus, " \tline(2);", " \tline(3);", ""]
    return "\n".join(lines).encode()


NAMES = b"--- a/mm/a.c\n+++ b/mm/a.c\n"
SAME = b"@@ -99999,30 +1,31 @@\n" + b" }\n" * 15 + b"+x\n" + b" }\n" * 15
CALLS = b"@@ -1,3000 +1,3000 @@\n" + b"".join(
    f"{mark} foo_{n} = bar(baz, {n});\n".encode() for mark in "-+" for n in range(3000)
)


def attempt(tmp_path: Path, tree: Path, data: bytes) -> int:
    mail = tmp_path / "mail"
    mail.write_bytes(data)
    return main(["series", "import", str(mail), "--tree", str(tree), "-o", str(tmp_path / "o")])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (HEAD + b"hello\n", "it has no diff"),
        (HEAD + diff("../secret/b.c"), "leads out of the tree"),
        (
            HEAD + diff().replace(b"a/mm/a.c", b"/etc/passwd").replace(b"b/mm/a.c", b"/etc/passwd"),
            "leads out of the tree",
        ),
        (HEAD + diff("out/b.c"), "leads out of the tree"),
        (HEAD + diff("mm/link.c"), "is a link"),
        (HEAD + diff(".git/config"), "leads out of the tree"),
        (HEAD + diff("mm/gone.c"), "which is not in the tree"),
        (HEAD + diff(old="1,99999999999", new="1,2"), "no file has 99999999999 lines"),
        (HEAD + b"diff --git a/x b/x\nGIT binary patch\nliteral 5\n", "a binary diff"),
        (b"\x7fELF\0\0\0\0" * 10, "a binary file"),
        (HEAD + diff(plus="+" + "x" * 30_000), "a line of 30001 bytes"),
        (HEAD + diff() + diff(plus="+\ty();"), "is changed twice in one mail"),
        (HEAD + diff(plus=" \tline(7);"), "does not fit mm/a.c"),
    ],
)
def test_one_clear_line(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    assert attempt(tmp_path, tree, data) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert str(tmp_path) in message
    assert not (tmp_path / "o").exists()
    assert (tmp_path / "secret/b.c").read_text() == LINES


def nested(depth: int) -> bytes:
    data = HEAD + diff()
    for number in range(depth):
        data = (
            f"Subject: {number}\nFrom: a@example.org\nMIME-Version: 1.0\n"
            "Content-Type: message/rfc822\n\n"
        ).encode() + data
    return data


@pytest.mark.parametrize(
    "data",
    [
        nested(3000),
        HEAD + b">" * 15_000 + diff(),
        b"<html>" + b"<pre><div>" * 50_000 + diff(),
        HEAD + (b" " * 15_000 + b"\n") * 50 + diff(plus="-nothing"),
        HEAD + b"@@ -1,3 +1,4 @@\n" * 20_000,
        HEAD + diff().replace(b" \tline(2);", b"\n" * 5000),
        HEAD + b"--- a/mm/a.c\n" * 20_000,
        b"x" * (100 << 20),
        HEAD + NAMES + b"@@ -5,0 +6,1 @@\n+x\n" * 100_000,
        HEAD + NAMES.replace(b"a.c", b"braces.c") + SAME,
        HEAD + NAMES.replace(b"a.c", b"empty.c") + b"@@ -1,3000 +1,3031 @@\n" + b"\n+\n-\n" * 2000,
        HEAD + b"--- /dev/null\n+++ b/mm/n.c\n@@ -0,0 +1,100000 @@\n" + b"+x = y;\n" * 100_000,
        HEAD + NAMES.replace(b"a.c", b"calls.c") + CALLS,
        HEAD + b"---\n mm/a.c | 5 " + b"+ -" * 60 + b"x\n 1 file changed, 1 ins\n" + diff(),
        HEAD + b"--- a" + b" " * 3900 + b"x\n" * 200 + diff(),
        b"From a Mon Jan 14 20:02:23 2008\nx\n" * 190_000,
    ],
    ids=[
        *("mails", "quotes", "tags", "blanks", "hunks", "gaps", "headers", "100MB"),
        *("100k-hunks", "same", "empty", "new", "block", "diffstat", "name", "mbox"),
    ],
)
def test_size_and_depth_do_no_harm(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    started = time.process_time()
    assert attempt(tmp_path, tree, data) in (0, 2)
    assert time.process_time() - started < 20
    said = capsys.readouterr().err
    assert "internal error" not in said
    assert said.count("\n") <= 1
    assert len(said) < 600


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), cuts=st.integers(0, 6), junk=st.binary(max_size=12))
def test_no_mutation_of_a_mail_is_an_internal_error(
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    seed: int,
    cuts: int,
    junk: bytes,
) -> None:
    rng = random.Random(seed)
    data = bytearray(HEAD + diff())
    for _ in range(cuts):
        at = rng.randrange(len(data))
        data[at : at + rng.randrange(4)] = junk[: rng.randrange(len(junk) + 1)]
    assert attempt(tmp_path, tree, bytes(data)) in (0, 2)
    assert "internal error" not in capsys.readouterr().err
    if (tmp_path / "o").exists():
        for file in (tmp_path / "o").iterdir():
            file.unlink()
        (tmp_path / "o").rmdir()


@pytest.mark.parametrize(
    ("page", "is_one"), [("<!-- x -->\n" * 300 + "<pre>", True), ("<!-- x -->" * 300, False)]
)
def test_many_comments_do_not_keep_it_busy(page: str, is_one: bool) -> None:
    assert looks_like_page(page) is is_one


def test_a_long_diffstat_does_not_keep_it_busy() -> None:
    head = ["text", "---", f" a.c | 40 {'+' * 4000} x", " 1 file changed, 40 insertions(+)"]
    _, notes, had_stat = split_message(head)
    assert had_stat
    assert notes == [head[2]]


def git_header(*lines: str) -> Change:
    return Change(
        before="mm/a.c", after="mm/z.c", extended=lines, hunks=(), old=Lines(), new=Lines()
    )


def test_names_in_a_header_of_git_are_those_that_were_checked() -> None:
    text = diff_text(
        git_header("copy from ../../../etc/hostname", "copy to ../z", "rename from /x")
    )
    assert text.splitlines()[1:] == ["copy from mm/a.c", "copy to mm/z.c", "rename from mm/a.c"]


@pytest.mark.parametrize("mode", ["120000", "160000", "100777"])
def test_only_plain_files_come_out_of_a_mail(mode: str) -> None:
    with pytest.raises(InputError, match=f"mm/z.c is to have mode {mode}"):
        diff_text(git_header(f"new file mode {mode}"))


def mails(folder: Path, *tags: str) -> list[str]:
    names = []
    for number, tag in enumerate(tags, 1):
        head = HEAD.replace(b"[PATCH] x", f"[PATCH{tag}] is {number}".encode())
        path = folder / f"{number}.eml"
        path.write_text(
            head.decode()
            + f"--- /dev/null\n+++ b/mm/{number}.c\n@@ -0,0 +1,1 @@\n+int x{number};\n"
        )
        names.append(str(path))
    return names


def test_a_mail_without_a_number_takes_nobodys_place(tree: Path, tmp_path: Path) -> None:
    wanted = mails(tmp_path, " 2/3", " 3/3", "")
    assert main(["series", "import", *wanted, "--tree", str(tree), "-o", str(tmp_path / "o")]) == 0
    names = (tmp_path / "o/series").read_text().split()
    assert names == ["0002-is-1.patch", "0003-is-2.patch", "0004-is-3.patch"]


def test_a_mail_without_a_number_replaces_nothing(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = mails(tmp_path, " 1/1", "")
    words = ["--tree", str(tree), "-o", str(tmp_path / "o")]
    assert main(["series", "import", one, *words]) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "o").iterdir()}
    assert main(["series", "import", other, *words, "--replace"]) == 2
    assert "has no n/m in its subject" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "o").iterdir()} == before
