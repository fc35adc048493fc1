"""The change of a file, built from the readings of its hunks, and written as a diff."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.budget import TooMuchError
from memnotify.mailpatch.changes import (
    Change,
    Lines,
    OpenFile,
    diff_text,
    pieces_of,
)
from memnotify.mailpatch.reading import LineKind

from tests.support.opened import opened, rebuilt, text

NUMBERS = [f"line {number}" for number in range(1, 31)]
NO_END = "\\ No newline at end of file"


TREE = text(NUMBERS)


def shown(file: OpenFile) -> list[str]:
    """Return the hunks of the diff."""
    return diff_text(rebuilt(file)).split("\n")[3:-1]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", Lines()),
        (b"a\n", Lines(("a",))),
        (b"a", Lines(("a",), ends=False)),
        (b"\n", Lines(("",))),
        (b"a\n\nb", Lines(("a", "", "b"), ends=False)),
        (b"a\r\nb\n", Lines(("a\r", "b"))),
        ("é\u2028x\n".encode(), Lines(("é\u2028x",))),
        (b"caf\xe9\n", Lines(("caf\udce9",))),
    ],
)
def test_the_bytes_of_a_file_are_its_lines(data: bytes, lines: Lines) -> None:
    assert Lines.of(data) == lines
    assert lines.data() == data


def test_a_hunk_gets_three_lines_of_context_and_the_numbers_of_the_tree() -> None:
    file = opened(TREE, "@@ -10,3 +12,3 @@\n line 10\n-line 11\n+eleven\n line 12")
    assert diff_text(rebuilt(file)) == text(
        [
            *("diff --git a/f.c b/f.c", "--- a/f.c", "+++ b/f.c", "@@ -8,7 +8,7 @@"),
            *(" line 8", " line 9", " line 10", "-line 11", "+eleven"),
            *(" line 12", " line 13", " line 14"),
        ]
    )
    change = rebuilt(file)
    assert change.new.lines == (*NUMBERS[:10], "eleven", *NUMBERS[11:])
    assert (change.before, change.after, change.extended) == ("f.c", "f.c", ())
    assert (change.old, change.new.ends) == (Lines(tuple(NUMBERS)), True)


def test_hunks_further_down_move_with_what_is_above_them() -> None:
    file = opened(
        TREE,
        "@@ -3,2 +3,4 @@\n line 3\n+a\n+b\n line 4",
        "@@ -15,1 +17,0 @@\n-line 15",
        "@@ -28,1 +29,2 @@\n+c\n line 28",
    )
    assert [line for line in shown(file) if line.startswith("@@")] == [
        "@@ -1,6 +1,8 @@",
        "@@ -12,7 +14,6 @@",
        "@@ -25,6 +26,7 @@",
    ]
    assert rebuilt(file).new.lines == (
        *(*NUMBERS[:3], "a", "b", *NUMBERS[3:14]),
        *(*NUMBERS[15:27], "c", *NUMBERS[27:]),
    )


@pytest.mark.parametrize(("second", "joined"), [(11, True), (17, True), (18, False)])
def test_changes_with_up_to_six_lines_between_them_are_one_hunk(second: int, joined: bool) -> None:
    file = opened(
        TREE, "@@ -10,1 +10,1 @@\n-line 10\n+ten", f"@@ -{second},1 +1,1 @@\n-line {second}\n+x"
    )
    heads = [line for line in shown(file) if line.startswith("@@")]
    if joined:
        assert heads == [f"@@ -7,{second - 3} +7,{second - 3} @@"]
    else:
        assert heads == ["@@ -7,7 +7,7 @@", f"@@ -{second - 3},7 +{second - 3},7 @@"]
    context = [line for line in shown(file) if line.startswith(" ")]
    left_out = (10, second) if joined else (10, 14, second)
    wanted = [n for n in range(7, second + 4) if n not in left_out]
    assert context == [f" line {n}" for n in wanted]


def test_hunks_at_the_ends_of_a_file() -> None:
    file = opened(TREE, "@@ -1,1 +1,2 @@\n+zero\n line 1", "@@ -30,1 +31,2 @@\n line 30\n+last")
    assert shown(file) == [
        *("@@ -1,3 +1,4 @@", "+zero", " line 1", " line 2", " line 3"),
        *("@@ -28,3 +29,4 @@", " line 28", " line 29", " line 30", "+last"),
    ]
    assert shown(opened("a\n", "@@ -1 +1 @@\n-a\n+b")) == ["@@ -1 +1 @@", "-a", "+b"]
    assert shown(opened("a\n", "@@ -1 +1,2 @@\n-a\n+b\n+c")) == ["@@ -1 +1,2 @@", "-a", "+b", "+c"]


@pytest.mark.parametrize(
    ("tree", "hunk", "diff", "new"),
    [
        (
            "a\nb",
            f"@@ -1,2 +1,2 @@\n a\n-b\n{NO_END}\n+c\n{NO_END}",
            [" a", "-b", NO_END, "+c", NO_END],
            "a\nc",
        ),
        ("a\nb", f"@@ -1,2 +1,2 @@\n a\n-b\n{NO_END}\n+c", [" a", "-b", NO_END, "+c"], "a\nc\n"),
        ("a\nb\n", f"@@ -1,2 +1,2 @@\n a\n-b\n+c\n{NO_END}", [" a", "-b", "+c", NO_END], "a\nc"),
        ("a\nb", f"@@ -1,2 +1,2 @@\n-a\n+c\n b\n{NO_END}", ["-a", "+c", " b", NO_END], "c\nb"),
        # The mail does not say that the last line has no end: it stays so, or gets one.
        ("a\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b", ["-a", "+c", " b", NO_END], "c\nb"),
        (
            "a\nb",
            "@@ -1,2 +1,3 @@\n a\n b\n+c",
            [" a", "-b", NO_END, "+b", "+c"],
            "a\nb\nc\n",
        ),
        (
            "a\nb",
            f"@@ -1,2 +1,3 @@\n a\n b\n{NO_END}\n+c\n{NO_END}",
            [" a", "-b", NO_END, "+b", "+c", NO_END],
            "a\nb\nc",
        ),
        ("a\r\nb", "@@ -2 +2,2 @@\n b\n+c", [" a\r", "-b", NO_END, "+b\r", "+c"], "a\r\nb\r\nc\n"),
        (
            "a\r\nb\r\nc",
            "@@ -3 +3,2 @@\n c\n+d",
            [" a\r", " b\r", "-c", NO_END, "+c\r", "+d"],
            "a\r\nb\r\nc\r\nd\n",
        ),
        ("a", "@@ -1 +1,2 @@\n a\n+b", ["-a", NO_END, "+a", "+b"], "a\nb\n"),
    ],
)
def test_a_last_line_without_an_end(tree: str, hunk: str, diff: list[str], new: str) -> None:
    file = opened(tree, hunk)
    assert shown(file)[1:] == diff
    assert rebuilt(file).new.data() == new.encode()


def test_files_that_are_made_and_deleted() -> None:
    made = opened("", "@@ -0,0 +1,2 @@\n+a\n+b", before=None)
    assert diff_text(rebuilt(made)) == text(
        [
            *("diff --git a/f.c b/f.c", "new file mode 100644", "--- /dev/null", "+++ b/f.c"),
            *("@@ -0,0 +1,2 @@", "+a", "+b"),
        ]
    )
    assert made.name == "f.c"
    gone = opened("a\n", "@@ -1 +0,0 @@\n-a", after=None)
    assert diff_text(rebuilt(gone)) == text(
        [
            *("diff --git a/f.c b/f.c", "deleted file mode 100644", "--- a/f.c", "+++ /dev/null"),
            *("@@ -1 +0,0 @@", "-a"),
        ]
    )
    assert gone.name == "f.c"
    assert rebuilt(gone).new == Lines()


def header(before: str | None, after: str | None, *extended: str) -> list[str]:
    change = Change(
        before=before, after=after, extended=extended, hunks=(), old=Lines(), new=Lines()
    )
    return diff_text(change).split("\n")[1:-1]


def test_the_header_of_git_is_passed_on_with_our_names() -> None:
    assert header("a.c", "b.c", "similarity index 100%", "rename from x", "rename to y") == [
        *("similarity index 100%", "rename from a.c", "rename to b.c"),
    ]
    assert header("a.c", "b.c", "copy from x", "copy to y") == ["copy from a.c", "copy to b.c"]
    modes = ["old mode 100644", "new mode 100755"]
    assert header("a.c", "a.c", *modes) == modes
    # An index line tells GNU patch that no hunks follow.
    assert header(None, "a.c") == ["new file mode 100644", "index 0000000..e69de29"]
    assert header("a.c", None) == ["deleted file mode 100644", "index e69de29..0000000"]
    new = ["new file mode 100755", "index 0000000..e69de29"]
    assert header(None, "a.c", *new) == new
    assert header("a.c", None, "deleted file mode 100755") == [
        *("deleted file mode 100755", "index e69de29..0000000")
    ]
    for mode in ("120000", "160000", "100600"):
        with pytest.raises(InputError, match=rf"^a.c would get mode {mode} ") as caught:
            header(None, "a.c", f"new file mode {mode}")
        hint = "a patch for a kernel has plain files only: 100644 or 100755"
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("section", "shown_there"),
    [
        ("", ""),
        ("static int f(int a", " static int f(int a"),
        ("static\tint f(int", " static int f(int"),
        ("staticint f(", " static int f("),
        ("int g(void)", " int g(void)"),  # as it is in the mail
        ("int   h( void )", " int h( void )"),
        ("line 25", " line 25"),  # below the hunk
    ],
)
def test_the_text_behind_the_numbers_is_that_of_the_tree(section: str, shown_there: str) -> None:
    tree = text([*NUMBERS[:5], "static int f(int a, int b)", *NUMBERS[6:]])
    file = opened(tree, f"@@ -20,1 +20,1 @@ {section}\n-line 20\n+x")
    assert shown(file)[0] == f"@@ -17,7 +17,7 @@{shown_there}"


def test_the_nearest_line_above_gives_the_text_behind_the_numbers() -> None:
    tree = text(["int  f(x)", *NUMBERS[:5], "int f(x);", *NUMBERS[5:], "int   f(x)"])
    file = opened(tree, "@@ -20,1 +20,1 @@ intf(x)\n-line 18\n+x")
    assert shown(file)[0].endswith("@@ int f(x)")
    # Only what is above the hunk counts, from the line directly above it to the first one.
    file = opened(tree, "@@ -8,1 +8,1 @@ intf(x)\n-line 6\n+x")
    assert shown(file)[0].endswith("@@ int f(x)")
    file = opened(tree, "@@ -7,1 +7,1 @@ intf(x)\n-int f(x);\n+x")
    assert shown(file)[0].endswith("@@ int  f(x)")
    file = opened(text([*NUMBERS, "int   f(x)"]), "@@ -20,1 +20,1 @@ int  f(x)\n-line 20\n+x")
    assert shown(file)[0].endswith("@@ int f(x)")


def test_looking_far_for_the_text_behind_the_numbers_takes_steps() -> None:
    tree = text(["int f(x)", *[f"line {n}" for n in range(1000)]])
    with pytest.raises(TooMuchError):
        rebuilt(opened(tree, "@@ -901,1 +20,1 @@ int f(x)\n-line 899\n+x"), effort=10)
    near = rebuilt(opened(tree, "@@ -901,1 +20,1 @@ line 898\n-line 899\n+x"), effort=10)
    assert near.hunks[0].section == "line 898"


FUNCTIONS = [
    *("int a;", "int f(void)", "{", "\tone();", "\ttwo();", "}", "", "int g(void)", "{"),
    *("\tthree();", "\tfour();", "}", "", "int h(void)", "{", "\tfive();", "}", "int z;"),
]


def spans(file: OpenFile) -> list[list[str]]:
    added = iter([part.text for part in file.added()])
    pieces = pieces_of(file, added)
    assert {piece.name for piece in pieces} <= {"f.c"}
    return [[f"{row.kind}{row.text}" for row in piece.rows] for piece in pieces]


def context(begin: int, end: int) -> list[str]:
    return [f" {line}" for line in FUNCTIONS[begin:end]]


def test_a_hunk_is_shown_in_its_whole_function() -> None:
    tree = text(FUNCTIONS)
    one = "@@ -10,1 +10,1 @@\n-\tthree();\n+\t3();"
    assert spans(opened(tree, one)) == [
        [*context(6, 9), "-\tthree();", "+\t3();", *context(10, 12)]
    ]
    two = "@@ -11,1 +11,2 @@\n \tfour();\n+\tx();"
    assert spans(opened(tree, one, two)) == [
        [*context(6, 9), "-\tthree();", "+\t3();", *context(10, 11), "+\tx();", *context(11, 12)]
    ]
    other = "@@ -16,1 +16,1 @@\n-\tfive();\n+\t5();"
    below = [*context(12, 15), "-\tfive();", "+\t5();", *context(16, 17)]
    # Functions that follow each other are shown together.
    assert spans(opened(tree, one, other)) == [
        [*context(6, 9), "-\tthree();", "+\t3();", *context(10, 12), *below]
    ]
    assert spans(opened(tree, "@@ -4,1 +4,1 @@\n-\tone();\n+\t1();", other)) == [
        [*context(0, 3), "-\tone();", "+\t1();", *context(4, 6)],
        below,
    ]
    assert spans(opened(tree, "@@ -1,1 +1,2 @@\n int a;\n+int b;")) == [
        [*context(0, 1), "+int b;", *context(1, 6)]
    ]
    assert spans(opened(tree, "@@ -18,1 +18,2 @@\n int z;\n+int b;")) == [
        [*context(17, 18), "+int b;"]
    ]
    assert spans(opened("", "@@ -0,0 +1 @@\n+a", before=None)) == [["+a"]]
    # The end of a function in the first line, such as of a file that is a piece of another.
    assert spans(opened("}\na\nb\n", "@@ -2 +2 @@\n-a\n+x")) == [["-a", "+x", " b"]]


def test_the_ends_of_a_function_are_not_looked_for_further_than_400_lines() -> None:
    lines = [f"line {n}" for n in range(1, 2001)]
    (rows,) = spans(opened(text(lines), "@@ -1000,1 +1000,1 @@\n-line 1000\n+x"))
    assert (rows[0], rows[-1]) == (" line 600", " line 1400")
    (rows,) = spans(opened(text(lines), "@@ -10,1 +10,1 @@\n-line 10\n+x"))
    assert rows[0] == " line 1"
    (rows,) = spans(opened(text(lines), "@@ -1990,1 +1990,1 @@\n-line 1990\n+x"))
    assert rows[-1] == " line 2000"


def test_lines_of_a_file_with_cr_are_shown_without() -> None:
    assert spans(opened("a\r\nb\r\n", "@@ -1,2 +1,3 @@\n a\r\n+x\r\n b\r")) == [
        [" a", "+x\r", " b"]
    ]


def test_the_kinds_of_the_rows_of_a_hunk() -> None:
    (hunk,) = rebuilt(opened("a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c")).hunks
    assert [row.kind for row in hunk.rows] == [
        LineKind.CONTEXT,
        LineKind.REMOVED,
        LineKind.ADDED,
    ]
    assert (hunk.start, hunk.section, hunk.unended) == (0, "", frozenset())
    moved = replace(rebuilt(opened("a\n", "@@ -1 +1,2 @@\n a\n+b")), after="g.c")
    assert diff_text(moved).startswith("diff --git a/f.c b/g.c\n--- a/f.c\n+++ b/g.c\n")
