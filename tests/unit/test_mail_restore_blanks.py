"""White space, line ends and strings of hunks: what is put back, and what is doubted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from memnotify.commands import CommandLog

from tests.support.restored import NUMBERED, after, mail_of, repairs, restored

NAME = "mm/a.c"
BODY = [" \tline(9);", " \tline(10);", "+\tnew();", " \tline(11);", " \tline(12);"]
NEW = NUMBERED.replace("\tline(11);", "\tnew();\n\tline(11);")
LONG = ["+\tnew(a_very_long_name_of_an_argument, another_very_long_name,", "one_more);"]
JOINED = f"{LONG[0][1:]} {LONG[1]}"
Repairs = list[tuple[str, int | None, str, bool]]
OF_FILES = ("TREE", "LAYOUT", "STRING", "ENDS", "EDGE", "MOVED", "WRAPPED")


def diff(*body: str, start: int = 10, index: str = "", name: str = NAME) -> list[str]:
    head = [f"diff --git a/{name} b/{name}", f"index {index} 100644"] if index else []
    old, new = (sum(line[:1] in marks for line in body) for marks in (" -", " +"))
    hunk = [f"@@ -{start},{old} +{start},{new} @@", *body]
    return [*head, f"--- a/{name}", f"+++ b/{name}", *hunk]


def one(*lines: str, tree: str, name: str = NAME) -> tuple[str, Repairs]:
    """Return the file that a mail makes of a tree's, and the repairs."""
    (patch,) = restored(mail_of("Text.", "---", *lines), files={name: tree})
    found = repairs(patch)
    assert {file for kind, file, *_ in found if kind in OF_FILES} <= {name}
    said = [(kind, line, detail, sure) for kind, _, line, detail, sure in found]
    return after(patch)[name], said


def with_cr(*lines: str) -> list[str]:
    return [f"{line}\r" for line in lines]


def trees(*lines: int) -> Repairs:
    return [("TREE", line, "", True) for line in lines]


TWO_ENDS = NUMBERED.replace("\tline(30);\n", "\tline(30);\r\n")
CR_LEFT = ("LEFT", 8, "CR at the end of added lines", False)


@pytest.mark.parametrize(
    ("tree", "body", "text", "said"),
    [
        # The tree has CR, and the mail has lost them.
        (
            NUMBERED.replace("\n", "\r\n"),
            BODY,
            NEW.replace("\n", "\r\n"),
            [*trees(6, 7, 9, 10), ("ENDS", 8, "", True)],
        ),
        # It has both ends: what the lost one was is a guess.
        (
            TWO_ENDS,
            BODY,
            NEW.replace("\tline(30);\n", "\tline(30);\r\n"),
            [("ENDS", 8, "", False)],
        ),
        # The tree has none, and the mail on every line, or only where it adds one.
        (NUMBERED, with_cr(*BODY), NEW, [*trees(6, 7, 9, 10), ("ENDS", 8, "", True)]),
        (
            NUMBERED,
            [*BODY[:2], *with_cr(BODY[2]), *BODY[3:]],
            NEW.replace("\tnew();\n", "\tnew();\r\n"),
            [CR_LEFT],
        ),
        (
            NUMBERED.replace("\n", "\r\n"),
            with_cr(*BODY),
            NEW.replace("\n", "\r\n"),
            [],
        ),
    ],
)
def test_line_ends(tree: str, body: list[str], text: str, said: Repairs) -> None:
    assert one(*diff(*body), tree=tree) == (text, said)


def test_doubt_of_an_added_line_names_its_file() -> None:
    cr = diff(*BODY[:2], *with_cr(BODY[2]), *BODY[3:])
    blank = diff(*(text.replace("a b", "A. B") for text in COLLAPSED), start=2)
    for lines, tree, line in ((cr, NUMBERED, 8), (blank, BEFORE, 8)):
        (patch,) = restored(mail_of("Text.", "---", *lines), files={NAME: tree})
        doubt = [each[:3] for each in repairs(patch) if each[0] == "LEFT"]
        assert doubt == [("LEFT", NAME, line)]


BEFORE = 'int f(void)\n{\n\tprintk("one   two");\n\treturn  g(1);\n}\n'
COLLAPSED = [" {", ' printk("one two");', '+printk("a b");', " return g(1);", " }"]


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()[:12]


def with_string(string: str, text: str = BEFORE) -> str:
    return text.replace("\treturn", f'\tprintk("{string}");\n\treturn')


def test_a_string_whose_blanks_the_index_line_tells() -> None:
    text = with_string("a   b")
    lines = diff(*COLLAPSED, start=2, index=f"{blob(BEFORE)}..{blob(text)}")
    confirmed = "confirmed by the index line"
    said = [*trees(9, 11), ("STRING", 10, confirmed, True)]
    assert one(*lines, tree=BEFORE) == (text, said)


def test_a_string_that_the_index_line_confirms_as_it_is() -> None:
    text = with_string("a b")
    lines = diff(*COLLAPSED, start=2, index=f"{blob(BEFORE)}..{blob(text)}")
    said = [*trees(9, 11), ("LAYOUT", 10, "confirmed by the index line", True)]
    assert one(*lines, tree=BEFORE) == (text, said)


def test_a_line_that_the_index_line_confirms_without_indentation() -> None:
    text = with_string("a b").replace('\tprintk("a b")', 'printk("a b")')
    lines = diff(*COLLAPSED, start=2, index=f"{blob(BEFORE)}..{blob(text)}")
    assert one(*lines, tree=BEFORE) == (text, trees(9, 11))


def test_the_index_line_is_tried_first_with_strings_that_are_in_doubt() -> None:
    """All blanks of the other string would be too many ways."""
    many = " ".join("w" * 45)
    rows = '\t\t"one:    %d\\n"\n', '\t\t"two:    %d\\n",\n\t\t1,  2);\n'
    six, put = '\t\t"six:    %d\\n"\n', f'\tputs("{many}");\n'
    tree = f"int f(void)\n{{\n\tsay(m,\n{''.join(rows)}}}\n"
    text = f"int f(void)\n{{\n\tsay(m,\n{rows[0]}{six}{rows[1]}{put}}}\n"
    marks = [" ", " ", "+", " ", " ", "+", " "]
    body = [
        mark + " ".join(line.split())
        for mark, line in zip(marks, text.splitlines()[2:], strict=True)
    ]
    lines = diff(*body, start=3, index=f"{blob(tree)}..{blob(text)}")
    assert one(*lines, tree=tree)[0] == text


def test_an_end_of_a_sentence_in_a_string_may_have_had_two_blanks() -> None:
    detail = "one blank between sentences in strings, where there may have been two"
    laid = ("LAYOUT", 8, "", False)
    for string, said in (
        ("a b", [laid]),
        ("A. B", [laid, ("LEFT", 8, detail, False)]),
        ("A! B", [laid, ("LEFT", 8, detail, False)]),
    ):
        body = [line.replace("a b", string) for line in COLLAPSED]
        found = one(*diff(*body, start=2), tree=BEFORE)
        assert found == (with_string(string), [*trees(7, 9), *said])
    # A text of prose has no strings, and a mail that has lost no blanks has all of them.
    body = [line.replace("a b", "A. B") for line in COLLAPSED]
    name = "Documentation/a.txt"
    assert one(*diff(*body, start=2, name=name), tree=BEFORE, name=name)[1] == [*trees(7, 9), laid]
    whole = [*BODY[:2], '+\tsay("A. B");', *BODY[3:]]
    assert one(*diff(*whole), tree=NUMBERED)[1] == []


BLANKS = NUMBERED.replace("\tline(9);", "        line(9);")


@pytest.mark.parametrize(
    ("tree", "above", "added", "sure"),
    [
        # Blanks that neither git nor patch passes over, in a mail that has lost none elsewhere.
        (NUMBERED, "         line(9);", [BODY[2]], False),
        (BLANKS, BODY[0], [BODY[2]], False),
        (NUMBERED.replace("\tline(9);", "int  x;"), " int x;", [BODY[2]], False),
        # At the end of a line, they get lost easily.
        (NUMBERED, " \tline(9);  ", [BODY[2]], True),
        # Where a line was wrapped, others may have lost theirs; but no tab comes of it.
        (NUMBERED, "         line(9);", LONG, True),
        (BLANKS, BODY[0], LONG, False),
        (NUMBERED.replace("\tline(9);", "\tint  x;"), " \tint x;", LONG, True),
    ],
)
def test_context_with_other_blanks(tree: str, above: str, added: list[str], sure: bool) -> None:
    lines = [above, BODY[1], *added, *BODY[3:]]
    new = "\tnew();" if len(added) == 1 else JOINED
    text, said = one(*diff(*lines), tree=tree)
    assert text == tree.replace("\tline(11);", f"{new}\n\tline(11);")
    assert said[0] == ("TREE", 6, "", sure)
    assert [kind for kind, *_ in said[1:]] == ["WRAPPED"] * (len(added) - 1)


def test_a_header_that_was_wrapped_is_told_with_its_line() -> None:
    dated = ["--- a/mm/a.c\t2008-01-01", "00:00:00", "+++ b/mm/a.c\t2008-01-02"]
    assert one(*dated, *diff(*BODY)[2:], tree=NUMBERED) == (NEW, [("HEADER", 3, "", True)])


def test_binary_files_of_another_program_are_told() -> None:
    lines = [*diff(*BODY), *[""] * 7, "Binary files a/x and b/x differ"]
    detail = "binary files that differ, of which the mail has no more"
    assert one(*lines, tree=NUMBERED) == (NEW, [("LEFT", 18, detail, False)])


def test_entities_are_decided_by_the_tree() -> None:
    tree = "if (a < b)\n\tf();\n"
    lines = diff(" if (a &lt; b)", '+\tputs("&gt;");', " \tf();", start=1)
    text = tree.replace("\tf", '\tputs(">");\n\tf')
    assert one(*lines, tree=tree) == (text, [("DECODED", None, "HTML entities", True)])


def test_a_remark_below_an_added_line_that_had_room_for_it() -> None:
    tree = NUMBERED.replace("\tline(38);", f"\tcall({'x' * 70});")
    new = f"\tnew({'y' * 55});"
    lines = diff(f" \tcall({'x' * 70});", " \tline(39);", f"+{new}", start=39)
    assert one(*lines, "A remark.", tree=tree) == (f"{tree}{new}\n", [])


def test_the_programs_that_restore_a_patch_are_logged(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    mail = mail_of("Text.", "---", *diff(*COLLAPSED, start=2))
    restored(mail, files={NAME: BEFORE}, log=log)
    assert log.path is not None
    argv = [json.loads(line)["argv"] for line in log.path.read_text().splitlines()]
    assert [Path(words[0]).name for words in argv] == ["clang-format", "git"]


def test_an_added_line_above_a_signature_is_whole() -> None:
    lines = [*diff(" \tline(38);", " \tline(39);", BODY[2], start=39), "-- ", "1.5.3"]
    assert one(*lines, tree=NUMBERED) == (f"{NUMBERED}\tnew();\n", [])


def test_an_empty_line_that_an_archive_has_dropped() -> None:
    tree = NUMBERED.replace("\tline(10);", "\n\tline(10);")
    lines = [line.replace("-10,4 +10,5", "-10,5 +10,6") for line in diff(*BODY)]
    (patch,) = restored(mail_of("Text.", "---", *lines), files={NAME: tree})
    assert after(patch) == {NAME: tree.replace("\tline(11);", "\tnew();\n\tline(11);")}
    assert repairs(patch) == [("EATEN", NAME, None, "", True)]


def test_a_hunk_for_the_first_line_that_is_found_at_the_second() -> None:
    lines = diff(BODY[2], " \tline(0);", " \tline(1);", start=1)
    tree = f"\tmore();\n{NUMBERED}"
    said: Repairs = [("EDGE", 5, "", False), ("MOVED", 5, "+1 lines", True)]
    assert one(*lines, tree=tree) == (f"\tmore();\n\tnew();\n{NUMBERED}", said)


def test_a_line_of_prose_may_end_where_a_mailer_would_wrap_it() -> None:
    body = [line.replace("\t", "").replace("line", "Line") for line in BODY]
    long = ["+This is a line of prose, which is long enough to be wrapped by", "mailers."]
    lines = diff(*body[:2], *long, *body[3:], name="Documentation/a.txt")
    tree = NUMBERED.replace("\t", "").replace("line", "Line")
    text, said = one(*lines, tree=tree, name="Documentation/a.txt")
    assert " ".join([long[0][1:], long[1]]) in text.splitlines()
    assert said == [("WRAPPED", 8, "", False)]
