"""What an import must not change, drop or leave out silently."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import time
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support import archives
from tests.support.archives import Clean

HEADERS = {
    "From": "Ada <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[PATCH 1/2] dim the lamps",
    "Message-Id": "<1@example.org>",
}
SIGNED = ["Dim them.", "", "Signed-off-by: Ada <ada@example.org>", "---"]
FUNCTION = """\
int {name}(int a)
{{
	int b;

	b = a + {number};
	if (b > 3)
		return {number};
	return b;
}}

"""
TREE = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\n",
    "mm/a.c": "".join(FUNCTION.format(name=f"f{n}", number=n) for n in range(6)),
    "mm/b.c": "".join(FUNCTION.format(name=f"g{n}", number=n) for n in range(3)),
    "mm/s.c": '#include <stdio.h>\n\nconst char *s =\n\t"x";\n\nint z;\n',
    "k.tmpl": "<book>\n <para>\n  Call it\n  when it is low\n  and not else.\n </para>\n</book>\n",
    "plain.txt": "".join(f"line {n}\n" for n in range(1, 9)),
    "HOWTO": "序文\n\nこの文書は\nカーネル開発\n方法です。\n\n終り\n",
    "w.bat": "one\r\ntwo\r\nthree\r\nfour\r\n",
    "unended.txt": "one\ntwo\nthree",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name, text in TREE.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(text.encode())
    return tree


def write(
    file: Path, lines: list[str], subject: str = HEADERS["Subject"], head: list[str] = SIGNED
) -> Path:
    clean = Clean({**HEADERS, "Subject": subject, "Message-Id": f"<{file.name}@x.org>"}, lines)
    file.write_bytes(archives.as_mail(clean, [*head, *lines]))
    return file


def diff(name: str, *hunks: str) -> list[str]:
    return [f"--- a/{name}", f"+++ b/{name}", *(line for h in hunks for line in h.split("\n"))]


def run(tree: Path, *mails: Path | str) -> int:
    words = [str(word) for word in mails]
    return main(["series", "import", *words, "--tree", str(tree), "-o", str(tree.parent / "out")])


def made(tree: Path) -> dict[str, str]:
    """Return the files that the imported series produces."""
    patches = read_series_file(tree.parent / "out/series")
    files = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    return {name: state.data.decode() for name, state in files.items() if state is not None}


def again(tree: Path) -> bool:
    """Return whether importing the result again gives the same bytes."""
    out = tree.parent / "out"
    words = ["series", "import", str(out), "--tree", str(tree), "-o", str(tree.parent / "again")]
    assert main(words) == 0
    return all(
        (tree.parent / "again" / file.name).read_bytes() == file.read_bytes()
        for file in out.iterdir()
    )


def unsure(capsys: pytest.CaptureFixture[str], tree: Path, *mails: Path) -> list[str]:
    """Import, and return the kinds of repairs that are only likely."""
    assert run(tree, *mails, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    return [r["kind"] for row in rows for r in row["repairs"] if not r["sure"]]


# --- added lines after a hunk's header


@pytest.mark.parametrize("old", [3, 4])
def test_no_added_line_is_taken_for_the_rest_of_a_header(tree: Path, old: int) -> None:
    lines = diff(
        "mm/a.c",
        f"@@ -6,{old} +6,{old + 2} @@ int f0(int a)",
        "+\tlock(b);\n+\tb = b + 2;\n+\tunlock(b);\n \tif (b > 3)\n \t\treturn 0;\n \treturn b;",
    )
    lines += [" }"] if old == 4 else []
    assert run(tree, write(tree.parent / "m", lines)) == 0
    wanted = "\tb = a + 0;\n\tlock(b);\n\tb = b + 2;\n\tunlock(b);\n\tif (b > 3)\n"
    assert wanted in made(tree)["mm/a.c"]


# --- lost lines

LOCK = "+\tlock(b);\n+\tb = b + 2;\n+\tunlock(b);\n"
FIRST = (
    "@@ -3,5 +3,{} @@ int f0(int a)\n \tint b;\n \n \tb = a + 0;\n{} \tif (b > 3)\n \t\treturn 0;"
)
SECOND = (
    "@@ -24,4 +27,4 @@ int f2(int a)\n \n-\tb = a + 2;\n+\tb = 2;\n \tif (b > 3)\n \t\treturn 2;"
)
OTHER = "@@ -4,3 +4,3 @@ int g0(int a)\n \n-\tb = a + 0;\n+\tb = 0;\n \tif (b > 3)"
STAT = [
    " mm/a.c | {} +++--",
    " mm/b.c | 2 +-",
    " 2 files changed, {} insertions(+), {} deletions(-)",
]


def locked(
    count: int, added: str, *, second: bool, stat: int | None
) -> tuple[list[str], list[str]]:
    """Return a patch for two files, and its head; the first hunk counts `count` new lines."""
    hunks = [FIRST.format(count, added), *([SECOND] if second else [])]
    head = list(SIGNED)
    if stat is not None:
        total = STAT[2].format(stat + 1 - second, 1 + second)
        head += [STAT[0].format(stat), STAT[1], total, ""]
    return diff("mm/a.c", *hunks) + diff("mm/b.c", OTHER), head


@pytest.mark.parametrize(("second", "stat"), [(True, None), (False, 3), (True, 5)])
def test_a_line_lost_in_the_middle_is_no_wrong_count(
    tree: Path, capsys: pytest.CaptureFixture[str], second: bool, stat: int | None
) -> None:
    less = LOCK.replace("+\tunlock(b);\n", "")
    lines, head = locked(8, LOCK, second=second, stat=stat)
    assert unsure(capsys, tree, write(tree.parent / "whole", lines, head=head)) == []
    lines, head = locked(8, less, second=second, stat=stat)
    assert run(tree, write(tree.parent / "m", lines, head=head), "--replace") == 2
    said = capsys.readouterr().err
    assert "the mail has not the lines that the header of hunk 1 of " in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("second", "stat", "sure"),
    [
        (True, None, True),
        (False, 3, True),
        (True, 5, True),
        (False, None, False),
        (False, 9, False),
    ],
)
@pytest.mark.parametrize("count", [7, 10])
def test_a_corrected_count_is_sure_if_something_agrees(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    second: bool,
    stat: int | None,
    sure: bool,
    count: int,
) -> None:
    lines, head = locked(count, LOCK, second=second, stat=stat)
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines, head=head))
    assert ("line counts of a hunk corrected" in kinds) is not sure
    assert "\tlock(b);\n\tb = b + 2;\n\tunlock(b);\n" in made(tree)["mm/a.c"]


def test_the_next_hunk_and_the_diffstat_may_disagree(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, head = locked(9, LOCK, second=True, stat=6)
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines, head=head))
    assert kinds == ["line counts of a hunk corrected"]


@pytest.mark.parametrize(("second", "stat"), [(True, None), (False, 4)])
def test_a_line_is_lost_and_the_header_counts_so(
    tree: Path, capsys: pytest.CaptureFixture[str], second: bool, stat: int | None
) -> None:
    less = LOCK.replace("+\tunlock(b);\n", "")
    lines, head = locked(7, less, second=second, stat=stat)
    lines = [line.replace("-24,4 +27,4", "-24,4 +28,4") for line in lines]
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines, head=head))
    assert kinds == ["other numbers of lines in the diffstat, or between hunks"]
    assert again(tree)


def test_many_lines_less_are_refused_everywhere(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, head = locked(48, LOCK, second=True, stat=None)
    assert run(tree, write(tree.parent / "m", lines, head=head)) == 2
    assert "lacks lines in hunk 1 of 2 of mm/a.c: 8 of 48 lines are" in capsys.readouterr().err


# --- entities, and other characters that archives write


def text_hunk(added: str, *, context: str = "  Call it") -> list[str]:
    return diff(
        "k.tmpl",
        "@@ -1,7 +1,7 @@\n <book>\n  <para>\n "
        + context
        + "\n-  when it is low\n+"
        + added
        + "\n   and not else.\n  </para>\n </book>",
    )


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


NOTE = ["--- /dev/null", "+++ b/{}", "@@ -0,0 +1,1 @@", "+{}"]


def note(name: str, text: str) -> list[str]:
    return [line.replace("{}", name if "+++" in line else text) for line in NOTE]


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


HOWTO = "@@ -1,7 +1,8 @@\n 序文\n \n この文書は\n カーネル開発\n+{}\n 方法です。\n \n 終り"


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


# --- replies

PATCH = diff("mm/a.c", FIRST.format(8, LOCK), SECOND)


def answer(file: Path, lines: list[str], subject: str = "Re: " + HEADERS["Subject"]) -> Path:
    return write(file, lines, subject, head=["On Tuesday, Ada wrote:"])


def quoted(lines: list[str]) -> list[str]:
    return [f"> {line}" for line in lines]


def test_an_answer_that_is_taken_for_a_patch_is_named(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trimmed = quoted(diff("mm/a.c", FIRST.format(8, LOCK)))
    mails = [
        write(tree.parent / "2", note("n.txt", "x"), "[PATCH 2/2] note"),
        answer(tree.parent / "trimmed", [*trimmed, "", "Why?"]),
        answer(tree.parent / "whole", [*quoted(PATCH), "", "Nice."]),
    ]
    assert unsure(capsys, tree, *mails[:2]) == ["taken from an answer"]
    shutil.rmtree(tree.parent / "out")
    assert run(tree, *mails) == 0
    said = capsys.readouterr().out
    assert "taken from an answer [likely]\n" in said
    assert f"{mails[2]}: “Re: [PATCH 1/2] dim the lamps” is an answer: what it does not qu" in said
    assert f"{mails[1]}: “Re: [PATCH 1/2] dim the lamps” only quotes a patch: left out" in said
    assert "\tb = 2;\n" in made(tree)["mm/a.c"]
    assert again(tree)


@pytest.mark.parametrize(("word", "count"), [("+1 for that", 9), ("+1 for that", 8), ("Why?", 8)])
def test_a_word_between_quoted_lines_is_not_added(
    tree: Path, capsys: pytest.CaptureFixture[str], word: str, count: int
) -> None:
    lines = quoted(PATCH)
    lines.insert(lines.index("> +\tunlock(b);"), word)
    lines[2] = lines[2].replace("+3,8", f"+3,{count}")
    assert run(tree, answer(tree.parent / "m", lines)) == 2
    assert "does not fit mm/a.c" in capsys.readouterr().err


@pytest.mark.parametrize("total", [True, False], ids=["numbered", "alone"])
def test_a_counter_proposal_is_no_quotation(
    tree: Path, capsys: pytest.CaptureFixture[str], total: bool
) -> None:
    subject = HEADERS["Subject"] if total else "[PATCH] dim the lamps"
    patch = write(tree.parent / "1", PATCH, subject)
    other = [line.replace("b + 2", "b + 3") for line in PATCH]
    proposal = answer(tree.parent / "2", ["How about this?", "", *other], "Re: " + subject)
    assert run(tree, proposal, patch) == 0
    said = capsys.readouterr().out
    assert f"{proposal}: “Re: {subject}” is an answer with a diff of its own: left out" in said
    assert "\tb = b + 2;\n" in made(tree)["mm/a.c"]
    shutil.rmtree(tree.parent / "out")
    assert run(tree, proposal) == 0
    assert "and its diff may not be the patch of that name" in capsys.readouterr().out
    assert "\tb = b + 3;\n" in made(tree)["mm/a.c"]


def test_an_answer_that_quotes_and_proposes_is_no_patch(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*quoted(PATCH), "", "And then:", "", *diff("mm/b.c", OTHER)]
    both = answer(tree.parent / "m", lines)
    assert run(tree, both) == 2
    assert "quotes a patch and has another of its own" in capsys.readouterr().err
    second = write(tree.parent / "2", note("n.txt", "x"), "[PATCH 2/2] note")
    assert run(tree, both, second) == 0
    said = capsys.readouterr().out
    assert "is an answer with a diff of its own: left out" in said
    assert "missing: 1/2" in said


def test_a_diff_that_is_quoted_below_another_is_not_its_end(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*note("mm/n.c", "int x;"), *quoted(PATCH)]
    assert run(tree, answer(tree.parent / "m", lines)) == 2
    assert "quotes a patch and has another of its own" in capsys.readouterr().err


def test_what_is_put_together_without_need_is_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = write(tree.parent / "m", [*note("mm/n.c", "int x;"), "Thanks, Ada"])
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["mm/n.c"] == "int x;\n"
    wide = "int a_function_with_a_long_name(struct lamp *lamp, struct lamp"
    mail = write(tree.parent / "n", [*note("mm/n.c", wide), "*other);"])
    shutil.rmtree(tree.parent / "out")
    assert unsure(capsys, tree, mail) == ["wrapped lines put together"]


def test_an_answer_to_a_cover_letter_is_no_patch(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mails = [
        write(tree.parent / "1", PATCH),
        answer(tree.parent / "0", note("n.txt", "x"), "Re: [PATCH 0/2] lamps"),
    ]
    assert run(tree, *mails) == 0
    assert "is an answer with a diff of its own: left out" in capsys.readouterr().out
    assert list(made(tree)) == ["mm/a.c"]


# --- line endings

BATCH = "@@ -1,4 +1,5 @@\n one\n-two\n+TWO\n+new\n three\n four"


@pytest.mark.parametrize("crlf", [False, True])
def test_added_lines_end_as_those_of_the_file(
    tree: Path, capsys: pytest.CaptureFixture[str], crlf: bool
) -> None:
    mail = write(tree.parent / "m", diff("w.bat", BATCH))
    mail.write_bytes(mail.read_bytes().replace(b"\n", b"\r\n") if crlf else mail.read_bytes())
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["w.bat"] == "one\r\nTWO\r\nnew\r\nthree\r\nfour\r\n"
    assert again(tree)


def test_in_a_file_with_both_line_ends_it_is_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "w.bat").write_bytes(b"one\r\ntwo\r\nthree\nfour\n")
    mail = write(tree.parent / "m", diff("w.bat", BATCH))
    assert set(unsure(capsys, tree, mail)) == {"line ends of the file put back"}
    assert made(tree)["w.bat"] == "one\r\nTWO\r\nnew\r\nthree\nfour\n"
    assert again(tree)


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_line_ends_that_a_mail_kept_are_the_patchs(tree: Path, encoding: str) -> None:
    lines = diff("w.bat", "@@ -1,2 +1,3 @@\n one\r\n-two\r\n+two\n+new\r")
    lines += ["--- /dev/null", "+++ b/n.bat", "@@ -0,0 +1,1 @@", "+x\r"]
    clean = Clean(HEADERS, lines)
    mail = tree.parent / "m"
    mail.write_bytes(archives.as_mail(clean, lines, encoding=encoding))
    assert run(tree, mail) == 0
    assert made(tree)["w.bat"] == "one\r\ntwo\nnew\r\nthree\r\nfour\r\n"
    assert made(tree)["n.bat"] == "x\r\n"
    assert again(tree)


def test_line_ends_that_the_tree_has_not_are_taken_off(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\r\n+new\r\n line 2\r")
    mail = write(tree.parent / "m", lines)
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["plain.txt"] == TREE["plain.txt"].replace("line 2", "new\nline 2")
    written = (tree.parent / "out/0001-dim-the-lamps.patch").read_bytes()
    assert b"line ends of the file put back" in written
    assert again(tree)


def test_in_a_new_file_line_ends_are_then_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\r\n+new\r\n line 2\r")
    mail = write(tree.parent / "m", [*lines, *note("n.txt", "x\r")])
    assert unsure(capsys, tree, mail) == ["line ends of the file put back"]
    assert made(tree)["n.txt"] == "x\n"
    assert again(tree)


def test_line_ends_of_added_lines_only_are_left_and_named(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\n+new\r\n line 2")
    assert len(unsure(capsys, tree, write(tree.parent / "m", lines))) == 1
    assert made(tree)["plain.txt"] == TREE["plain.txt"].replace("line 2", "new\r\nline 2")
    assert again(tree)


def test_a_change_of_nothing_but_line_ends_is_none_of_ours(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = write(tree.parent / "m", diff("w.bat", "@@ -1,2 +1,2 @@\n one\n-two\n+two"))
    assert unsure(capsys, tree, mail) == ["line ends of the file put back"]
    assert made(tree)["w.bat"] == "one\r\ntwo\nthree\r\nfour\r\n"


@pytest.mark.parametrize("cr", ["", "\r"])
def test_lines_behind_the_last_one_without_an_end(tree: Path, cr: str) -> None:
    (tree / "unended.txt").write_bytes(TREE["unended.txt"].replace("\n", cr + "\n").encode())
    lines = diff("unended.txt", "@@ -1,3 +1,4 @@\n one\n two\n three\n+four")
    assert run(tree, write(tree.parent / "m", lines)) == 0
    assert made(tree)["unended.txt"] == f"one{cr}\ntwo{cr}\nthree{cr}\nfour{cr}\n"
    assert again(tree)


@pytest.mark.parametrize(
    ("hunk", "wanted"),
    [
        ("@@ -1,3 +1,4 @@\n one\n two\n+mid\n three", "one\ntwo\nmid\nthree"),
        ("@@ -1,3 +1,4 @@\n one\n two\n-three\n+three\n+four", "one\ntwo\nthree\nfour\n"),
        ("@@ -1,3 +1,2 @@\n one\n two\n-three", "one\ntwo\n"),
        ("@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n+four", "one\nTWO\nthree\nfour\n"),
    ],
    ids=["before", "instead", "removed", "both"],
)
def test_a_file_without_a_last_line_end(tree: Path, hunk: str, wanted: str) -> None:
    assert run(tree, write(tree.parent / "m", diff("unended.txt", hunk))) == 0
    assert made(tree)["unended.txt"] == wanted
    assert again(tree)


# --- characters that archives cannot always show


def test_lines_of_other_letters_are_not_all_the_same(tree: Path) -> None:
    (tree / "HOWTO").write_text("序\n語\n" * 20 + TREE["HOWTO"])
    lines = diff("HOWTO", HOWTO.format("新しい"))
    assert run(tree, write(tree.parent / "m", lines)) == 0
    assert made(tree)["HOWTO"].endswith("カーネル開発\n新しい\n方法です。\n\n終り\n")


# --- what git's index line proves

TOLD = (
    '@@ -1,6 +1,8 @@\n #include <stdio.h>\n \n const char *s =\n-\t"x";\n+\t"one:  %d\\n"\n'
    '+\t"another:   %d\\n"\n+\t"one more: %d\\n";\n \n int z;'
)


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()[:7]


def collapsed(lines: list[str]) -> list[str]:
    return archives.collapsed(lines, random.Random(1))


def stated(name: str, wanted: str, hunk: str) -> list[str]:
    old = TREE[name]
    return [
        f"diff --git a/{name} b/{name}",
        f"index {blob(old)}..{blob(wanted)} 100644",
        *diff(name, hunk),
    ]


WANTED = TREE["mm/s.c"].replace(
    '\t"x";\n', '\t"one:  %d\\n"\n\t"another:   %d\\n"\n\t"one more: %d\\n";\n'
)


def test_blanks_in_strings_are_had_again_by_the_index_line(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = write(tree.parent / "m", collapsed(stated("mm/s.c", WANTED, TOLD)))
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["mm/s.c"] == WANTED
    patch = (tree.parent / "out/0001-dim-the-lamps.patch").read_text()
    assert "2 × blanks in strings put back (confirmed by the index line): mm/s.c 2\n" in patch
    assert again(tree)


def test_an_index_line_that_nothing_fits_is_reported(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = collapsed(stated("mm/s.c", WANTED + "int more;\n", TOLD))
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines))
    assert "not the file that git's index line states" in kinds
    assert again(tree)


def test_an_index_line_of_another_tree_says_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = stated("mm/s.c", WANTED, TOLD)
    lines[1] = lines[1].replace(blob(TREE["mm/s.c"]), "1234567")
    assert unsure(capsys, tree, write(tree.parent / "m", lines)) == []


def test_a_corrected_count_is_sure_if_the_index_line_agrees(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = stated("mm/s.c", WANTED, TOLD.replace("+1,8", "+1,9"))
    assert unsure(capsys, tree, write(tree.parent / "m", lines)) == []
    assert made(tree)["mm/s.c"] == WANTED


def test_a_long_search_for_blanks_ends_with_what_is_likely(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join("many words, none of them wide" for _ in range(3))
    hunk = TOLD.replace("another:   %d", words).replace("one:  %d", "one: %d")
    lines = []
    for number in range(12):
        (tree / f"mm/s{number}.c").write_text(TREE["mm/s.c"])
        part = collapsed(stated("mm/s.c", WANTED, hunk))
        lines += [line.replace("mm/s.c", f"mm/s{number}.c") for line in part]
    started = time.process_time()
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines))
    assert kinds.count("not the file that git's index line states") == 12
    assert time.process_time() - started < 15
