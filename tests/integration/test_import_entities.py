"""Entities, marks and blanks of other scripts in mails: what archives write, and what is code."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from tests.support import archives
from tests.support.silent import (
    HOWTO,
    SIGNED,
    again,
    diff,
    made,
    note,
    odd_tree,
    run,
    text_hunk,
    unsure,
    write,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return odd_tree(tmp_path)


def test_entities_of_an_undamaged_mail_are_code(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = text_hunk("  when it is &lt; 3 &amp;amp; on")
    assert unsure(capsys, tree, write(tree.parent / "m", lines)) == []
    assert "when it is &lt; 3 &amp;amp; on\n" in made(tree)["k.tmpl"]
    assert again(tree)


STRING = '@@ -1,6 +1,6 @@\n #include <stdio.h>\n \n const char *s =\n-\t"x";\n+{}\n \n int z;'


def test_entities_in_a_string_are_code(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = diff("mm/s.c", STRING.format('\t"a&amp;b &quot;c&quot;";'))
    assert unsure(capsys, tree, write(tree.parent / "m", lines)) == []
    assert '\t"a&amp;b &quot;c&quot;";\n' in made(tree)["mm/s.c"]


def escaped(lines: list[str], times: int = 1) -> list[str]:
    for _ in range(times):
        lines = archives.entities(lines, random.Random(1))
    return lines


@pytest.mark.parametrize("times", [1, 2])
def test_entities_of_an_archive_are_undone(
    tree: Path, capsys: pytest.CaptureFixture[str], times: int
) -> None:
    lines = text_hunk("  when it is &lt; 3") + diff("mm/s.c", STRING.format('\t"&amp;" "<";'))
    mail = write(tree.parent / "m", escaped(lines, times), head=escaped(SIGNED, times))
    assert unsure(capsys, tree, mail) == []
    assert "when it is &lt; 3\n" in made(tree)["k.tmpl"]
    assert '\t"&amp;" "<";\n' in made(tree)["mm/s.c"]


@pytest.mark.parametrize(
    ("name", "text", "head", "wanted"),
    [
        ("mm/n.c", "int x = (a &lt; 3);", [], "int x = (a < 3);"),
        ("mm/n.c", "/* &amp; */ char *s = &quot;&amp;&quot;;", SIGNED, '/* & */ char *s = "&";'),
        ("n.tmpl", "a &lt; 3", SIGNED, "a &lt; 3"),
        ("mm/n.c", 'char *s = "&lt;";', SIGNED, 'char *s = "&lt;";'),
        ("n.txt", "a &lt; 3", escaped(SIGNED), "a < 3"),
    ],
    ids=["code", "quoted", "bare-head", "bare-head-c", "escaped-head"],
)
def test_where_no_line_of_the_tree_tells_entities_are_likely_only(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    head: list[str],
    wanted: str,
) -> None:
    mail = write(tree.parent / "m", note(name, text), head=head)
    assert len(unsure(capsys, tree, mail)) == 1
    assert made(tree)[name] == wanted + "\n"
    assert again(tree)


def test_entities_left_in_code_are_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bare && suggests that nothing was escaped, but some archives only escape `<`."""
    mail = write(tree.parent / "m", note("mm/n.c", "int x = (a && b &lt; c);"))
    assert len(unsure(capsys, tree, mail)) == 1
    assert made(tree)["mm/n.c"] == "int x = (a && b &lt; c);\n"
    assert again(tree)


def test_where_nothing_tells_entities_are_asked_about(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = write(tree.parent / "m", note("n.txt", "a &lt; 3"), head=["Note."])
    assert run(tree, mail) == 2
    said = capsys.readouterr().err
    assert "is &lt; in an added line the patch's or the archive's? (--interactive shows" in said
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    assert run(tree, mail, "--interactive") == 0
    assert made(tree)["n.txt"] == "a &lt; 3\n"
    assert again(tree)


def test_a_diff_behind_an_escaped_margin_is_no_part_of_the_patch(tree: Path) -> None:
    lines = [*note("n.txt", "a"), *(f"&gt; {line}" for line in note("o.txt", "b"))]
    assert run(tree, write(tree.parent / "m", lines, head=["Note."])) == 0
    assert made(tree) == {"n.txt": "a\n"}


@pytest.mark.parametrize(
    "added",
    ["\u3000方法\u3000\u3000新しい", "soft\u00adhyphen", "zero\u200bwidth", "a\u00a0b", "\ufeffx"],
)
def test_blanks_of_other_scripts_and_marks_stay(tree: Path, added: str) -> None:
    assert run(tree, write(tree.parent / "m", diff("HOWTO", HOWTO.format(added)))) == 0
    assert f"カーネル開発\n{added}\n方法です。\n" in made(tree)["HOWTO"]
    assert again(tree)


def test_blanks_of_other_scripts_stay_where_white_space_was_lost(tree: Path) -> None:
    lines = diff("HOWTO", HOWTO.format("\u3000方法\u3000\u3000新しい"))
    lines += diff("mm/a.c", "@@ -4,3 +4,4 @@\n\nb = a + 0;\n+b++;\nif (b > 3)")
    assert run(tree, write(tree.parent / "m", [line.strip(" \t") for line in lines])) == 0
    assert "カーネル開発\n\u3000方法\u3000\u3000新しい\n方法です。\n" in made(tree)["HOWTO"]
    assert "\tb = a + 0;\n\tb++;\n" in made(tree)["mm/a.c"]


@pytest.mark.parametrize("mark", ["\u00a0", "\u200b", "\u00ad"])
def test_marks_that_an_archive_put_in_are_taken_out(tree: Path, mark: str) -> None:
    lines = diff("plain.txt", "@@ -1,3 +1,4 @@\n line 1\n+line  more\n line 2\n line 3")
    spoilt = [line.replace(" ", mark if mark == "\u00a0" else f" {mark}") for line in lines]
    assert run(tree, write(tree.parent / "m", spoilt)) == 0
    assert made(tree)["plain.txt"].startswith("line 1\nline  more\nline 2\n")


@pytest.mark.parametrize("address", ["ada () example ! org", "ada@example.org", "ada at xxx"])
def test_addresses_alone_show_that_a_message_is_escaped(tree: Path, address: str) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\n+more\n line 2")
    mail = write(tree.parent / "m", lines, head=[f"By: Ada &lt;{address}&gt;", "---"])
    assert run(tree, mail) == 0
    (patch,) = (tree.parent / "out").glob("*.patch")
    assert f"\nBy: Ada <{address}>\n" in patch.read_text()


def test_an_invisible_mark_that_a_patch_removes_is_its_own(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tree without it has the patch; it is not that the archive has inserted the mark."""
    old, new_line = 'char *s = "\ufeffdark";', 'char *s = "dark";'
    lines = diff("mm/n.c", f"@@ -1,3 +1,3 @@\n int a;\n-{old}\n+{new_line}\n int b;")
    mail = write(tree.parent / "m", lines)
    for text, status in ((old, 0), (new_line, 2)):
        (tree / "mm/n.c").write_text(f"int a;\n{text}\nint b;\n")
        assert run(tree, mail) == status
    assert "is in mm/n.c already" in capsys.readouterr().err
    assert f"\n+{new_line}\n" in (tree.parent / "out/0001-dim-the-lamps.patch").read_text()


def test_one_blank_between_sentences_of_a_string_is_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for said, doubts in (("lamps on. Go", 1), ("lamps on", 0)):
        lines = diff("mm/s.c", STRING.format(f'\tint a  =\t"{said}";'))
        collapsed = archives.collapsed(lines, random.Random(1))
        assert run(tree, write(tree.parent / "m", collapsed), "--replace") == 0
        assert capsys.readouterr().out.count("one blank between sentences in strings") == doubts
