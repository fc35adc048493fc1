"""Mails like those of 2007 and 2008, but made up here: they contain none of their text."""

from __future__ import annotations

from email.header import Header
from pathlib import Path

import pytest
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support import archive_forms
from tests.support.archives import Clean
from tests.support.imports import change, mail, run, small_tree

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def result(folder: Path, tree: Path) -> str:
    """Return mm/a.c with a folder's series applied, strictly."""
    patches = read_series_file(folder / "series")
    state = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    made = state["mm/a.c"]
    assert made is not None
    return made.data.decode()


def numbered(tmp_path: Path, subjects: list[str]) -> list[Path]:
    return [
        mail(tmp_path / str(at), subject, change(5 + 8 * at, f"call{at}()"))
        for at, subject in enumerate(subjects)
    ]


@pytest.mark.parametrize(
    "subjects",
    [
        ["[PATCH 1/3][for -mm] lamp v6: one", "[PATCH 2/3][for -mm] lamp v6: two"],
        ["[RFC][PATCH 1/3] lamp v6: one", "[RFC][PATCH 2/3] lamp v6: (optional) two"],
        ["[PATCH v6,1/3] one", "[PATCH v6,2/3] two"],
        ["[v6,1/3] one", "[v6,2/3] two"],
        ["[v6 PATCH 1/3] one", "[PATCH 2/3 v6] two"],
    ],
)
def test_where_the_revision_stands(tree: Path, tmp_path: Path, subjects: list[str]) -> None:
    mails = numbered(tmp_path, [*subjects, "[PATCH 1/3] lamp v5: one"])
    assert run(tree, tmp_path / "out", *reversed(mails), "--revision", "v6") == 0
    names = (tmp_path / "out/series").read_text().split()
    assert [name[:5] for name in names] == ["0001-", "0002-"]
    text = result(tmp_path / "out", tree)
    assert "call0()" in text and "call1()" in text and "call2()" not in text


@pytest.mark.parametrize(
    "subjects",
    [
        ["(1/2) one", "(2/2) two"],
        ["PATCH 1/2: one", "PATCH 2/2: two"],
        ["[PATCH(1/2)] one", "[PATCH(2/2)] two"],
        ["[PATCH 01 of 02] one", "[PATCH 02 of 02] two"],
        ["[PATCH v6,1/2] one", "[PATCH v6,2/2] two"],
        ["[v2,1/2] one", "[v2,2/2] two"],
        ["[patch 1/2][lamp] one", "[patch 2/2][lamp] two"],
        ["patch 1/2 one", "patch 2/2 two"],
    ],
)
def test_where_the_number_stands(tree: Path, tmp_path: Path, subjects: list[str]) -> None:
    mails = numbered(tmp_path, subjects)
    assert run(tree, tmp_path / "out", *reversed(mails)) == 0
    names = (tmp_path / "out/series").read_text().split()
    assert names == ["0001-one.patch", "0002-two.patch"]


@pytest.mark.parametrize(
    "subject", ["[PATCH] use 1/2 of the memory", "[PATCH] (1/2 of it) x", "[PATCH] 3/4 full: stop"]
)
def test_a_fraction_in_a_title_is_no_number(tree: Path, tmp_path: Path, subject: str) -> None:
    assert run(tree, tmp_path / "out", *numbered(tmp_path, [subject])) == 0
    (name,) = (tmp_path / "out/series").read_text().split()
    assert name.startswith("0001-")
    assert name != "0001-x.patch"


def test_patchbomb_of_mercurial(tree: Path, tmp_path: Path) -> None:
    head = [
        *("# HG changeset patch", "# User Ada <ada@example.org>", "# Date 1200355229 -32400"),
        *("# Node ID 0123456789abcdef0123456789abcdef01234567", "# Parent  abcdef0123456789"),
        *("lamp: tell", "", "It tells.", ""),
        "diff -r abcdef012345 -r 0123456789ab mm/a.c",
        "--- a/mm/a.c\tTue Jan 15 10:00:29 2008 +0900",
        "+++ b/mm/a.c\tTue Jan 15 10:00:30 2008 +0900",
    ]
    one = mail(tmp_path / "1", "[PATCH 02 of 12] lamp: tell", [*head, *change(5, "one()")[2:]])
    assert run(tree, tmp_path / "out", one) == 0
    (name,) = (tmp_path / "out/series").read_text().split()
    assert name == "0002-lamp-tell.patch"
    text = (tmp_path / "out" / name).read_text()
    assert "# HG" not in text and "# Node" not in text
    assert "It tells." in text


PATHS = [
    ("linux-2.6.24-rc6-mm1-lamp.orig/mm/a.c", "linux-2.6.24-rc6-mm1-lamp/mm/a.c"),
    ("home/ada/kernel/src/linux-2.6.24.orig/mm/a.c", "home/ada/kernel/src/linux-2.6.24/mm/a.c"),
    ("/home/ada/kernel/linux-2.6.24.orig/mm/a.c", "/home/ada/kernel/linux-2.6.24/mm/a.c"),
    ("../../work/linux.orig/mm/a.c", "../../work/linux/mm/a.c"),
]


@pytest.mark.parametrize(("old", "new"), PATHS)
def test_deep_foreign_paths(tree: Path, tmp_path: Path, old: str, new: str) -> None:
    lines = [
        *(f"Index: {new}", "=" * 67, f"--- {old}\t2008-01-13 16:56:54.000000000 +0900"),
        *(f"+++ {new}\t2008-01-13 16:57:10.000000000 +0900", *change(5, "one()")[2:]),
    ]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    assert "one()" in result(tmp_path / "out", tree)


@pytest.mark.parametrize("above", ["home/ada", "usr/src", "/usr/src", "../../kernel"])
def test_a_new_file_below_a_deep_foreign_path(tree: Path, tmp_path: Path, above: str) -> None:
    """None of the mail's files is in the tree, so only the folder's name can tell."""
    name = f"{above}/linux-2.6.24/Documentation/lamp.c"
    lines = [
        *(f"Index: {name}", "=" * 67, "--- /dev/null\t1970-01-01 00:00:00.000000000 +0000"),
        *(f"+++ {name}\t2008-01-13 16:57:10.000000000 +0900", "@@ -0,0 +1 @@", "+int lamp;"),
    ]
    one = mail(tmp_path / "1", "[sample] lamp", lines)
    assert run(tree, tmp_path / "out", one) == 0
    patches = read_series_file(tmp_path / "out/series")
    series = Series(revision="", base="", patches=patches)
    assert list(apply_series(series, read_tree(tree)).files) == ["Documentation/lamp.c"]


def test_iso_2022_jp(tree: Path, tmp_path: Path) -> None:
    name = "\u5c0f\u5d0e"
    lines = [f"{name} wrote this.", "---", "", *change(5, f"one() /* {name} */")]
    headers = {"From": f"{name} <ada@example.org>", "Date": "now", "Message-Id": "<1@example.org>"}
    block = "".join(f"{key}: {value}\n" for key, value in headers.items())
    text = (
        block
        + "Subject: [PATCH] one\nMIME-Version: 1.0\n"
        + 'Content-Type: text/plain; charset="ISO-2022-JP"\nContent-Transfer-Encoding: 7bit\n\n'
        + "\n".join(lines)
        + "\n"
    )
    file = tmp_path / "mail"
    file.write_bytes(text.encode("iso-2022-jp"))
    assert run(tree, tmp_path / "out", file) == 0
    assert f"one() /* {name} */" in result(tmp_path / "out", tree)
    patch = (tmp_path / "out/0001-one.patch").read_text()
    assert f"From: {name} <ada@example.org>" in patch
    assert f"{name} wrote this." in patch
    # The same with a header as mailers encode it.
    encoded = text.replace(f"From: {name}", f"From: {Header(name, 'iso-2022-jp').encode()}")
    file.write_bytes(encoded.encode("iso-2022-jp"))
    assert run(tree, tmp_path / "again", file) == 0
    assert f"From: {name} <ada@example.org>" in (tmp_path / "again/0001-one.patch").read_text()


VMSTAT = [
    "procs -----------memory---------- ---swap-- -----io---- -system-- ----cpu----",
    " r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa",
    " 0  0      0  70168  42060 211304    0    0     1     4   11   20  1  2 96  0",
    "820  3     0  89216  42060 1052032   0    0    10    40  110  200  1 20 70  9",
]
DASHES = ["-" * 40, "--- before ---", "@ at 10:00", "==========", "*****"]


@pytest.mark.parametrize("above", [VMSTAT, DASHES], ids=["vmstat", "dashes"])
def test_tables_above_a_diff_whose_tabs_became_blanks(
    tree: Path, tmp_path: Path, above: list[str]
) -> None:
    lines = [
        *("It helps:", "", *above, "", "Signed-off-by: Ada <ada@example.org>", "", "---"),
        *(" mm/a.c |    1 +", " 1 file changed, 1 insertion(+)", ""),
        *(line.expandtabs(8) for line in change(5, "one()")),
    ]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    assert "\n\tone();\n" in result(tmp_path / "out", tree)
    assert above[-1] in (tmp_path / "out/0001-one.patch").read_text()


def test_the_shell_between_two_diffs(tree: Path, tmp_path: Path) -> None:
    (tree / "mm/b.c").write_text((tree / "mm/a.c").read_text())
    other = [line.replace("mm/a.c", "mm/b.c") for line in change(9, "two()")]
    for at, middle in enumerate((["", "$ quilt diff"], ["$ quilt diff"], ["", "$ quilt diff", ""])):
        lines = ["Text.", "", "$ quilt diff", *change(5, "one()"), *middle, "Index: mm/b.c", *other]
        one = mail(tmp_path / "1", "[PATCH] one", lines)
        out = tmp_path / f"out{at}"
        assert run(tree, out, one) == 0
        patches = read_series_file(out / "series")
        made = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
        assert "quilt" not in "".join(state.data.decode() for state in made.values() if state)
        assert set(made) == {"mm/a.c", "mm/b.c"}


def test_blanks_before_tabs_in_added_lines_stay(tree: Path, tmp_path: Path) -> None:
    lines = [
        *("--- a/mm/a.c", "+++ b/mm/a.c", "@@ -5,2 +5,5 @@", " \tline(4);"),
        *("+ \t\tone();", "+", "+\t  \ttwo();", " \tline(5);"),
    ]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    assert "\n \t\tone();\n\n\t  \ttwo();\n" in result(tmp_path / "out", tree)


@pytest.mark.parametrize(
    "stat",
    [
        [" mm/a.c |    1 +", " 1 file changed, 1 insertion(+)"],
        [" mm/a.c |    1 +", " 1 file changed, 3 insertions(+)"],
        [" mm/a.c |    4 ++++", " mm/c.c |   9 +++++++++", " 6 files changed, 159 insertions(+)"],
    ],
    ids=["left-out", "wrong-sum", "wrong"],
)
def test_a_diffstat_that_leaves_out_a_file(tree: Path, tmp_path: Path, stat: list[str]) -> None:
    (tree / "mm/b.c").write_text((tree / "mm/a.c").read_text())
    other = [line.replace("mm/a.c", "mm/b.c") for line in change(9, "two()")]
    lines = ["Text.", "---", *stat, "", *change(5, "one()"), *other]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    patches = read_series_file(tmp_path / "out/series")
    made = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    assert set(made) == {"mm/a.c", "mm/b.c"}
    assert " 2 files changed, 2 insertions(+)" in (tmp_path / "out/0001-one.patch").read_text()


def test_an_answer_with_a_program_and_no_diff(tree: Path, tmp_path: Path, capsys: Capture) -> None:
    program = (
        "/* --- the test --- */\n#include <poll.h>\n\nint main(void)\n{\n"
        '\tint fd = open("/dev/lamp", 0);\n\n\treturn fd -\n- 1;\n}\n'
    )
    text = (
        "From: Ada <ada@example.org>\nDate: now\nMessage-Id: <2@example.org>\n"
        "Subject: Re: [PATCH] one\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="x"\n\n'
        "--x\nContent-Type: text/plain\n\n> It helps.\n\nIt does not:\n\n"
        + "\n".join(VMSTAT)
        + '\n--x\nContent-Type: application/octet-stream; name="test.c"\n'
        'Content-Disposition: attachment; filename="test.c"\n\n' + program + "--x--\n"
    )
    answer = tmp_path / "2"
    answer.write_text(text)
    one = mail(tmp_path / "1", "[PATCH] one", change(5, "one()"))
    assert run(tree, tmp_path / "out", answer, one) == 0
    assert "no diff in “Re: [PATCH] one”" in capsys.readouterr().out
    assert run(tree, tmp_path / "none", answer) == 2
    assert "it has no diff" in capsys.readouterr().err


TITLED = ("[PATCH {at}/7][for -mm] lamp {v}: part {at}", "[sample] lamp {v}: usage example")
TAGGED = ("[PATCH {v} {at}/7] part {at}", "")


def a_set(
    subjects: tuple[str, str], author: str, revision: str, call: str, *, month: str = "Feb"
) -> list[bytes]:
    """Return a cover letter, seven patches and a ninth mail, all without In-Reply-To."""
    mails = []
    for at in range(9 if subjects is TITLED else 8):
        headers = {
            "From": f"{author} <{author.lower()}@example.org>",
            "Date": f"10 {month} 2008 00:{19 + at}:58 +0900",
            "Subject": subjects[at == 8].format(at=at, v=revision),
            "Message-Id": f"<{author}{revision}{at}@{month}.example.org>",
        }
        lines = change(3 + 4 * at, f"{call}{at}()") if at else ["Nine mails."]
        mails.append(archive_forms.as_mail(Clean(headers, lines), lines))
    return mails


@pytest.mark.parametrize(("subjects", "count"), [(TITLED, 8), (TAGGED, 7)], ids=["title", "tag"])
def test_a_set_of_mails_without_in_reply_to(
    tree: Path, tmp_path: Path, subjects: tuple[str, str], count: int
) -> None:
    """Found in a mailbox by author, date and n/m: one Message-Id is given."""
    box = tmp_path / "list.mbox"
    others = a_set(subjects, "Bob", "v6", "bob") + a_set(subjects, "Ada", "v5", "five")
    others += a_set(subjects, "Ada", "v6", "march", month="Mar")
    ours = a_set(subjects, "Ada", "v6", "six")
    box.write_bytes(archive_forms.as_mbox([*others, *reversed(ours)]))
    assert run(tree, tmp_path / "out", "Adav60@Feb.example.org", "--mbox", str(box)) == 0
    names = (tmp_path / "out/series").read_text().split()
    assert [name[:5] for name in names] == [f"000{n}-" for n in range(1, count + 1)]
    text = result(tmp_path / "out", tree)
    assert all(f"six{n}()" in text for n in range(1, count + 1))
    assert "bob" not in text and "five" not in text and "march" not in text


WORDS = ["", "And once more:", ""]


@pytest.mark.parametrize(
    ("header", "more", "between"),
    [
        (True, False, []),
        (True, False, WORDS),
        (False, False, []),
        (False, False, WORDS),
        (False, True, []),
    ],
)
def test_a_hunk_that_stands_twice_in_the_mail(
    tree: Path, tmp_path: Path, capsys: Capture, header: bool, more: bool, between: list[str]
) -> None:
    """Below a header of its own or not, in the middle or at the end."""
    again = change(5, "one()") if header else change(5, "one()")[2:]
    rest = change(9, "two()")[2:] if more and not header else []
    lines = ["Text.", "---", "", *change(5, "one()"), *between, *again, *rest, "--", "Ada"]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    assert "repeated hunk applied once" in capsys.readouterr().out
    text = result(tmp_path / "out", tree)
    assert text.count("one()") == 1
    assert text.count("two()") == len(rest[:1])


def test_two_hunks_that_differ_are_two(tree: Path, tmp_path: Path, capsys: Capture) -> None:
    lines = [*change(5, "one()"), *change(5, "two()")]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 2
    assert "is changed twice in one mail" in capsys.readouterr().err
