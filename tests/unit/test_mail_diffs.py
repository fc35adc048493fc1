"""The diffs in the text of a mail, before any tree is looked at."""

from __future__ import annotations

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.raw import RawDiff, Text

HEAD = ["--- a/mm/a.c", "+++ b/mm/a.c"]
HUNK = ["@@ -10,3 +12,3 @@ static int f(void)", " one", "-two", "+2", " three"]
NAMES = ("a/mm/a.c", "b/mm/a.c")
OTHER = ["--- a/mm/b.c", "+++ b/mm/b.c", "@@ -1 +1 @@", "-x", "+y"]


def read(*lines: str, first: int | None = 1) -> Text:
    return read_diffs(lines, file="mail", first=first)


def only(text: Text) -> RawDiff:
    (diff,) = text.diffs
    return diff


def bodies(text: Text) -> list[list[str]]:
    return [[line.text for line in hunk.body] for diff in text.diffs for hunk in diff.hunks]


def names(text: Text) -> list[tuple[str, str]]:
    return [(diff.before, diff.after) for diff in text.diffs]


def test_a_diff_is_read_as_it_is() -> None:
    text = read("A message.", "", *HEAD, *HUNK, "-- ", "2.1")
    diff = only(text)
    assert text.head == ("A message.", "")
    assert (diff.line, diff.before, diff.after, diff.extended) == (3, *NAMES, ())
    assert (diff.quoted, diff.margin, diff.exact, diff.git) == (False, "", False, False)
    (hunk,) = diff.hunks
    assert (hunk.line, hunk.section, hunk.last, hunk.final) == (5, "static int f(void)", True, True)
    assert (hunk.old_start, hunk.old_count, hunk.new_start, hunk.new_count) == (10, 3, 12, 3)
    assert [line.text for line in hunk.body] == [*HUNK[1:], "-- ", "2.1"]
    assert [line.number for line in hunk.body] == list(range(6, 12))
    assert not any(line.outside for line in hunk.body)
    assert (text.quoted, text.wrapped, text.broken, text.binary) == (False, (), (), ())
    assert (text.repeated, text.prose) == ((), ())


def test_a_mail_without_a_diff() -> None:
    text = read("A message.", "--- a/mm/a.c is a file", "")
    assert (text.head, text.diffs, text.quoted) == (
        ("A message.", "--- a/mm/a.c is a file", ""),
        (),
        False,
    )


def test_counts_that_a_header_leaves_out_are_one() -> None:
    (hunk,) = only(read(*HEAD, "@@ -7 +8 @@", "-a", "+b")).hunks
    assert (hunk.old_start, hunk.old_count, hunk.new_start, hunk.new_count) == (7, 1, 8, 1)
    assert hunk.section == ""


def test_several_hunks_and_files() -> None:
    text = read(*HEAD, *HUNK, "@@ -40 +42 @@", "-c", "+d", "Index: mm/b.c", "=" * 67, *OTHER)
    assert names(text) == [NAMES, ("a/mm/b.c", "b/mm/b.c")]
    assert bodies(text) == [HUNK[1:], ["-c", "+d"], ["-x", "+y"]]
    hunks = [hunk for diff in text.diffs for hunk in diff.hunks]
    assert [(hunk.line, hunk.last, hunk.final) for hunk in hunks] == [
        (3, False, False),
        (8, True, False),
        (15, True, True),
    ]
    assert [diff.line for diff in text.diffs] == [1, 13]


def test_files_directly_below_each_other() -> None:
    text = read(*HEAD, *HUNK, *OTHER)
    assert bodies(text) == [HUNK[1:], ["-x", "+y"]]
    # What is counted belongs to the hunk, even if it looks like a header; unless that is whole.
    text = read(*HEAD, "@@ -1,2 +1,1 @@", "--- a comment", " a")
    assert bodies(text) == [["--- a comment", " a"]]
    text = read(*HEAD, "@@ -1,2 +1,2 @@", "--- a comment", "+++ another", " a")
    assert bodies(text) == [["--- a comment", "+++ another", " a"]]
    text = read(*HEAD, "@@ -1,2 +1,2 @@", " a", *OTHER)
    assert bodies(text) == [[" a"], ["-x", "+y"]]
    body = ["--- a comment", " a", " b", "+++ another", "+x"]
    assert bodies(read(*HEAD, "@@ -1,9 +1,9 @@", *body)) == [body]
    text = read(*HEAD, *HUNK, *(f"> {line}" for line in OTHER))
    assert (bodies(text), len(text.prose)) == ([HUNK[1:]], 1)
    text = read(*HEAD, "@@ -1,9 +1,9 @@", " a", *OTHER)
    assert bodies(text) == [[" a"], ["-x", "+y"]]


NO_END = "\\ No newline at end of file"


@pytest.mark.parametrize(
    ("numbers", "body"),
    [
        ("-1,2 +1,2", [" a", "--- a comment", "+++ another"]),
        ("-1,3 +1,2", ["--- a comment", "+++ another", " a", "-b"]),
        ("-1,2 +1,3", ["--- a comment", "+++ another", " a", "+b"]),
        ("-1 +1", ["--- a comment", NO_END, "+++ another", NO_END]),
    ],
)
def test_lines_that_are_counted_are_no_header(numbers: str, body: list[str]) -> None:
    for below in ([], ["-- ", "2.1"]):
        assert bodies(read(*HEAD, f"@@ {numbers} @@", *body, *below)) == [[*body, *below]]


@pytest.mark.parametrize("numbers", ["-1,9 +1,9", "-1,2 +1,9"])
def test_a_hunk_that_lacks_lines_ends_at_the_next_header(numbers: str) -> None:
    text = read(*HEAD, f"@@ {numbers} @@", " a", *OTHER[:2])
    assert bodies(text) == [[" a"]]
    assert [(found.line, found.message) for found in text.broken] == [
        (5, "the mail ends in the header of a/mm/b.c")
    ]


def test_a_line_without_a_sign_is_not_counted() -> None:
    text = read(*HEAD, "@@ -1,2 +1,3 @@", "+a", "wrapped", "Index: mm/b.c", *OTHER)
    assert bodies(text) == [["+a", "wrapped"], ["-x", "+y"]]
    # A lone sign is the end of a line that was wrapped.
    text = read(*HEAD, "@@ -1,2 +1,3 @@", "+a", "\\", "--- c/d", "+++ c/d", " e")
    assert bodies(text) == [["+a", "\\"]]
    body = ["+a", "wrapped", "+++ b/mm/c.c", "--- a/mm/c.c", "+d"]
    assert bodies(read(*HEAD, "@@ -0,0 +1,3 @@", *body)) == [body]


@pytest.mark.parametrize("margin", ["> ", ">", "> > ", "    ", "\t", "| "])
def test_a_quoted_or_indented_diff(margin: str) -> None:
    text = read("Ada wrote:", *(margin + line for line in ("> a", *HEAD, *HUNK)), "a comment")
    diff = only(text)
    quoted = bool(margin.strip())
    assert (diff.before, diff.after, diff.margin, diff.quoted) == (*NAMES, margin, quoted)
    assert text.quoted
    assert text.head == ("Ada wrote:", "> a")
    assert bodies(text) == [[*HUNK[1:], "a comment"]]
    assert [line.outside for line in diff.hunks[0].body] == [False] * 4 + [quoted]


def test_a_margin_without_its_blank_at_the_end_of_a_line() -> None:
    lines = ["", *HEAD, "@@ -1,3 +1,4 @@", " a", " ", "+b", " c"]
    text = read(*((f"> {line}").rstrip() for line in lines))
    assert bodies(text) == [[" a", "", "+b", " c"]]
    assert text.head == ("",)
    assert only(text).margin == "> "


def test_a_diff_that_the_text_only_shows_is_prose() -> None:
    text = read(*(f"> {line}" for line in (*HEAD, *HUNK)), "", *OTHER)
    assert names(text) == [("a/mm/b.c", "b/mm/b.c")]
    assert [diff.margin for diff in text.prose] == ["> "]
    assert not text.quoted
    # Indented and with nothing in between, it may be context.
    assert len(read(*HEAD, *HUNK, "", *(f" {line}" for line in OTHER)).diffs) == 1
    # One blank more is the archive's.
    text = read(*HEAD, *HUNK, "Index: b", *(f" {line}" for line in OTHER))
    assert len(text.diffs) == 2
    text = read(*HEAD, *HUNK, "Index: b", *(f"  {line}" for line in OTHER))
    assert (len(text.diffs), len(text.prose)) == (1, 1)


GIT = [
    "diff --git a/mm/a.c b/mm/a.c",
    "index 1111111..2222222 100644",
]


def test_the_header_of_git() -> None:
    diff = only(read("", *GIT, *HEAD, *HUNK))
    assert (diff.line, diff.git, diff.exact) == (2, True, False)
    assert (diff.blobs, diff.extended) == (("1111111", "2222222"), ())
    diff = only(read(GIT[0], "old mode 100644", "new mode 100755", GIT[1], *HEAD, *HUNK))
    assert diff.extended == ("old mode 100644", "new mode 100755")
    moved = [
        *("diff --git a/mm/a.c b/mm/z.c", "similarity index 90%"),
        *("rename old mm/a.c", "rename new mm/z.c", "index 1111111..2222222"),
    ]
    diff = only(read(*moved, "--- a/mm/a.c", "+++ b/mm/z.c", *HUNK))
    assert (diff.before, diff.after, diff.exact, diff.git) == ("mm/a.c", "mm/z.c", True, True)
    assert diff.extended == ("similarity index 90%", "rename from mm/a.c", "rename to mm/z.c")
    assert diff.blobs == ("1111111", "2222222")


def test_a_header_of_git_that_says_all_needs_no_hunks() -> None:
    moved = ["diff --git a/mm/a.c b/mm/z.c", "similarity index 100%"]
    text = read("", *moved, "rename from mm/a.c", "rename to mm/z.c", *GIT, *HEAD, *HUNK)
    first, second = text.diffs
    assert (first.line, first.before, first.after, first.hunks) == (2, "mm/a.c", "mm/z.c", ())
    assert (first.exact, first.git, first.blobs) == (True, True, ("", ""))
    assert (first.quoted, first.margin) == (False, "")
    assert first.extended == ("similarity index 100%", "rename from mm/a.c", "rename to mm/z.c")
    assert second.line == 6
    empty = ["diff --git a/mm/a.c b/mm/a.c", "new file mode 100644", "index 0000000..e69de29"]
    made = only(read(*(f"> {line}" for line in empty)))
    assert (made.before, made.after, made.exact, made.git) == (*NAMES, False, True)
    assert (made.quoted, made.margin, made.blobs) == (True, "> ", ("0000000", "e69de29"))
    assert read(GIT[0], "index 1111111..2222222").diffs == ()


def test_a_header_without_hunks_above_the_diff_of_another_file() -> None:
    mode = [GIT[0], "old mode 100644", "new mode 100755"]
    text = read(*mode, *OTHER)
    assert names(text) == [NAMES, ("a/mm/b.c", "b/mm/b.c")]
    assert [len(diff.hunks) for diff in text.diffs] == [0, 1]
    # The names of one file may have different prefixes.
    text = read(*mode, "--- linux.orig/mm/a.c", "+++ linux/mm/a.c", *HUNK)
    assert [len(diff.hunks) for diff in text.diffs] == [1]


def test_wrapped_headers_are_put_together() -> None:
    dated = ["--- linux/mm/a.c.orig\t2008-01-01", "00:00:00 +0900", "+++ linux/mm/a.c\t2008-01-02"]
    text = read("", *dated, *HUNK)
    assert names(text) == [("linux/mm/a.c.orig", "linux/mm/a.c")]
    assert text.wrapped == (1,)
    text = read("", *dated, "00:00:00 +0900", *HUNK)
    assert (len(text.diffs), text.wrapped) == (1, (1, 3))
    assert read("", *dated, "00:00:00", "+0900", *HUNK).diffs == ()
    text = read("", "diff --git a/mm/a.c", "b/mm/a.c", GIT[1], *HEAD, *HUNK)
    assert (only(text).git, only(text).line, text.wrapped) == (True, 2, (1,))
    assert only(text).blobs == ("1111111", "2222222")
    quoted = ["diff --git a/mm/a.c ", "b/mm/a.c", GIT[1], *HEAD, *HUNK]
    for margin in ("", "> "):
        text = read(*(margin + line for line in quoted))
        assert (only(text).git, only(text).blobs) == (True, ("1111111", "2222222"))
    text = read("", *dated, "00:00:00 +0900", HUNK[0])
    assert (len(text.diffs), text.wrapped) == (1, (1, 3))
    text = read(*HEAD, "@@ -10,3 +12,3 @@ static int", "f(void)", *HUNK[1:])
    assert (bodies(text), text.wrapped) == ([["f(void)", *HUNK[1:]]], ())
    text = read(*HEAD, "@@ -10,3", "+12,3 @@")
    assert (bodies(text), text.wrapped) == ([[]], (2,))
    assert bodies(read(*HEAD, *HUNK, "@@ -10,3")) == [[*HUNK[1:], "@@ -10,3"]]
    text = read(*HEAD, "@@ -10,3", "+12,3 @@ f(void)", *HUNK[1:])
    assert (bodies(text), text.wrapped) == ([HUNK[1:]], (2,))
    assert only(text).hunks[0].section == "f(void)"


@pytest.mark.parametrize("below", [[], ["Text."], ["Text.", "More."]])
def test_the_names_of_a_file_without_a_hunk_are_no_diff(below: list[str]) -> None:
    text = read("", *HEAD, *below)
    assert (text.diffs, text.wrapped) == ((), ())


def test_names_with_blanks() -> None:
    git = "diff --git a/mm/a b.c b/mm/a b.c"
    diff = only(read(git, GIT[1], "--- a/mm/a b.c", "+++ b/mm/a b.c", *HUNK))
    assert (diff.before, diff.after, diff.git) == ("a/mm/a b.c", "b/mm/a b.c", True)
    diff = only(read(git, "old mode 100644", "new mode 100755"))
    assert (diff.before, diff.after, diff.hunks) == ("a/mm/a b.c", "b/mm/a b.c", ())


@pytest.mark.parametrize(
    "line",
    [
        *("diff -up a b", "$ git diff", "Index: mm/a.c", "=" * 67),
        # An archive may have indented it, or quoted it, and the diff differently.
        *(" Index: mm/a.c", "> Index: mm/a.c"),
    ],
)
def test_what_a_program_writes_above_a_diff_is_no_message(line: str) -> None:
    for between in range(6):
        text = read("A message.", line, *["-"] * between, *HEAD, *HUNK)
        assert text.head == (("A message.",) if between < 6 else ())
    text = read("A message.", line, *["-"] * 6, *HEAD, *HUNK)
    assert text.head == ("A message.", line, *["-"] * 6)
    quoted = read(f"> {line}", *(f"> {other}" for other in (*HEAD, *HUNK)))
    assert quoted.head == ()


BINARY = "Binary files a/x and b/x differ"


def test_a_binary_diff_is_refused_at_its_line() -> None:
    for lines, line in (
        ([*HEAD, *HUNK, "diff --git a/x b/x", "index 1..2", BINARY], 10),
        (["diff --git a/x b/x", "new file mode 100644", "GIT binary patch", *HEAD, *HUNK], 3),
        (["", BINARY], 2),
        (["", f"> {BINARY}"], 2),
    ):
        with pytest.raises(InputError, match=r": a binary diff \(only text") as caught:
            read(*lines)
        assert (caught.value.line, caught.value.file) == (line, "mail")
        assert caught.value.hint == "only text can be restored"
    with pytest.raises(InputError) as caught:
        read("", "", BINARY, first=30)
    assert caught.value.line == 32
    with pytest.raises(InputError) as caught:
        read("", "", BINARY, first=None)
    assert caught.value.line is None


def test_binary_files_of_another_program_are_left_out() -> None:
    text = read(*HEAD, *HUNK, "", "", "", "", "", "", BINARY)
    assert text.binary == (14,)
    text = read("diff --git a/x b/x", f"> {BINARY}", *HEAD, *HUNK)
    assert text.binary == ()
    text = read("diff --git a/x b/x", *[""] * 6, BINARY, *HEAD, *HUNK)
    assert text.binary == (8,)
    with pytest.raises(InputError, match="a binary diff"):
        read("diff --git a/x b/x", *[""] * 5, BINARY, *HEAD, *HUNK)


@pytest.mark.parametrize(
    ("numbers", "absurd"),
    [
        ("-10000000,3 +12,3", ""),
        ("-10000001,3 +12,3", "10000001"),
        ("-10,3 +12,123456789", "123456789"),
        ("-10,3 +1234567890123,3", "123456789012"),
        ("-10,99999999 +12,3", "99999999"),
    ],
)
def test_numbers_that_no_file_has(numbers: str, absurd: str) -> None:
    lines = ["", *HEAD, f"@@ {numbers} @@", *HUNK[1:]]
    if not absurd:
        assert len(read(*lines).diffs) == 1
        return
    with pytest.raises(InputError) as caught:
        read(*lines)
    assert str(caught.value).startswith("mail:4: ") or caught.value.line == 4
    assert f"no file has {absurd} lines" in str(caught.value)
    assert caught.value.hint == "the hunk header is wrong"


def test_a_hunk_that_stands_there_twice_is_taken_once() -> None:
    text = read(*HEAD, *HUNK, *HUNK)
    assert (bodies(text), text.repeated) == ([HUNK[1:]], (8,))


def test_a_header_that_has_lost_its_diff_is_told() -> None:
    for margin in ("", "> "):
        lines = [*HEAD, *HUNK, "", "diff --git a/mm/c.c b/mm/c.c"]
        text = read(*(margin + line for line in lines))
        assert [(found.line, found.message) for found in text.broken] == [
            (9, "the mail ends in the header of b/mm/c.c")
        ]


def broken(*lines: str) -> list[tuple[int, str]]:
    return [(found.line, found.message) for found in read(*lines).broken]


def test_diffs_that_are_not_unified_are_told() -> None:
    context = ["*** a/f.c", "--- b/f.c", "*" * 15, "*** 1,2 ****", "  a"]
    assert broken("Text.", *context) == [(4, "a context diff, as diff -c makes it")]
    assert broken(*HEAD, *HUNK, *context) == [(10, "a context diff, as diff -c makes it")]
    normal = ["5c5", "< a", "---", "> b"]
    assert broken("Text.", *normal) == [(2, "a diff without context")]
    # Beside a diff that can be read, the message may show one.
    assert broken("Text.", *normal, "", *HEAD, *HUNK) == []
    assert broken(*HEAD, *HUNK, "diff --cc f.c") == [(8, "a combined diff of a merge")]


def test_a_wrapped_line_of_git_whose_diff_is_lost() -> None:
    lost = "a diff of which the --- line, the +++ line or the first @@ line is lost"
    half = "diff --git a/mm/c.c"
    for margin in ("", "> "):
        lines = [*HEAD, *HUNK, half, "b/mm/c.c", "", "-- "]
        text = read(*(margin + line for line in lines))
        assert [(found.line, found.message) for found in text.broken] == [(8, lost)]
        assert text.wrapped == ()
    assert broken(*HEAD, *HUNK, half, "b/mm/c.c") == [(8, lost)]
    above = ["--- mm/a.c\t2008-01-01", "00:00:00", "+++ mm/a.c\t2008-01-02", *HUNK]
    assert read(*above, half, "b/mm/c.c", "").wrapped == (0,)
    assert read("Text.", half).diffs == ()
    assert broken(*HEAD, *HUNK, half) == [(8, "the mail ends in the header of a/mm/c.c")]


def test_the_date_of_no_file() -> None:
    for date, dateless in (("1970-01-01 00:00:00.000000000 +0000", True), ("2008-01-15", False)):
        assert only(read(HEAD[0], f"{HEAD[1]}\t{date}", *HUNK)).dateless is dateless


def test_text_that_only_looks_like_a_part_of_a_diff() -> None:
    assert broken("@@ -1 +1 @@", "", *HEAD, *HUNK) == [(1, "a hunk of no file")]
    assert broken("    @@ -1 +1 @@", "", *HEAD, *HUNK) == []
    lines = ["+++ b/mm/c.c", "", *HEAD, *HUNK]
    said = [(1, "a +++ line without its --- line")]
    assert broken(*(f"> {line}" for line in lines)) == said
    assert broken("> X+++ b/mm/c.c", *(f"> {line}" for line in lines[1:])) == []


def test_a_header_that_needs_no_hunks_may_end_a_mail() -> None:
    deleted = ["diff --git a/mm/c.c b/mm/c.c", "deleted file mode 100644"]
    assert broken(*HEAD, *HUNK, *deleted) == []
    assert broken(*HEAD, *HUNK, "", *deleted, "", "") == []
