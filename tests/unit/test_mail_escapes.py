"""Whether entities and odd blanks are the archive's or the patch's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.account import Account
from memnotify.mailpatch.changes import Lines, OpenFile
from memnotify.mailpatch.entities import levels_of
from memnotify.mailpatch.escapes import Signs
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.raw import Text
from memnotify.mailpatch.repairs import Question, Repair, RepairKind

NBSP, WIDE, ZERO = "\u00a0", "\u3000", "\u200b"
ENTITIES = "HTML entities"
BLANKS = Repair(kind=RepairKind.DECODED, detail="non-breaking and invisible blanks")
DECODED = Repair(kind=RepairKind.DECODED, detail=ENTITIES)
GUESSED = Repair(kind=RepairKind.DECODED, detail=ENTITIES, sure=False)
LEFT = Repair(kind=RepairKind.LEFT, detail=ENTITIES, sure=False)
TREE = "if (a < b)\nelse\n\tf();\n"


def left(mark: str) -> Repair:
    return Repair(kind=RepairKind.LEFT, detail=f"U+{ord(mark):04X}", sure=False)


def mail(*hunk: str, head: Sequence[str] = (), name: str = "a.c") -> Mail:
    lines = [*head, f"--- a/{name}", f"+++ b/{name}", "@@ -1,9 +1,9 @@", *hunk]
    return Mail(source="mail", sha256="", levels=levels_of(lines), first=10)


class Chooser:
    """Takes the last choice, and keeps the question."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> int:
        self.asked.append(question)
        return len(question.choices) - 1


def read(
    given: Mail, tree: str = TREE, choose: Chooser | None = None
) -> tuple[list[str], list[Repair]]:
    """Return the lines of the hunk, and the repairs."""

    def open_files(text: Text) -> list[OpenFile]:
        return [OpenFile(diff, "f", "f", Lines.of(tree.encode())) for diff in text.diffs]

    signs = Signs(mail=given, open_files=open_files, error=Account(given).error, choose=choose)
    text, repairs = signs.read()
    return [line.text for line in text.diffs[0].hunks[0].body], repairs


@pytest.mark.parametrize(
    ("hunk", "found", "repairs"),
    [
        ([" else", "+\tg();"], [" else", "+\tg();"], []),
        # The tree has the line decoded, or as it is.
        (
            [" if (a &lt; b)", "+&amp;x;"],
            [" if (a < b)", "+&x;"],
            [DECODED],
        ),
        # Every line that was added is the same: then it does not matter.
        ([" x &lt; y", "+\tg();"], [" x < y", "+\tg();"], [DECODED]),
        # C has no entities.
        ([" else", "+if (a &lt; c)"], [" else", "+if (a < c)"], [GUESSED]),
        ([" else", "+f(&amp;a);"], [" else", "+f(&a);"], [GUESSED]),
        # Some archives escape one sign and not the others.
        ([" if (a < b)", "+f(&amp;a);"], [" if (a < b)", "+f(&amp;a);"], [LEFT]),
    ],
)
def test_entities_in_a_file_of_c(hunk: list[str], found: list[str], repairs: list[Repair]) -> None:
    assert read(mail(*hunk)) == (found, repairs)


def test_entities_that_the_tree_has_as_well_are_the_patchs() -> None:
    tree = 'puts("a &lt; b");\n'
    given = mail(f" {tree[:-1]}", '+puts("&gt;");')
    assert read(given, tree) == ([f" {tree[:-1]}", '+puts("&gt;");'], [])
    # A line of it that is removed shows the same.
    given = mail(f"-{tree[:-1]}", '+puts("&gt;");')
    assert read(given, tree) == ([f"-{tree[:-1]}", '+puts("&gt;");'], [])


def test_entities_that_were_escaped_twice() -> None:
    given = mail(" if (a &amp;lt; b)", "+if (a &amp;gt; b)")
    assert read(given) == ([" if (a < b)", "+if (a > b)"], [DECODED])
    tree = 'puts("a &lt; b");\n'
    given = mail(' puts("a &amp;lt; b");', '+puts("&amp;gt;");')
    assert read(given, tree) == ([' puts("a &lt; b");', '+puts("&gt;");'], [DECODED])


def test_the_message_tells_what_neither_tree_nor_code_does() -> None:
    given = mail(" else", "+&lt;p&gt;", head=["From <ada@example.org>", ""], name="a.html")
    assert read(given) == ([" else", "+&lt;p&gt;"], [LEFT])
    given = mail(" else", "+&lt;p&gt;", head=["From &lt;ada@example.org&gt;", ""], name="a.html")
    assert read(given) == ([" else", "+<p>"], [GUESSED])
    # In a string of C, an entity may be meant.
    given = mail(" else", '+puts("&lt;p&gt;");', head=["From <ada@example.org>", ""])
    assert read(given) == ([" else", '+puts("&lt;p&gt;");'], [LEFT])


def test_what_nothing_decides_is_asked() -> None:
    given = mail(" else", "+p", "+&lt;p&gt;", "+q", head=["A message."], name="a.html")
    with pytest.raises(InputError) as caught:
        read(given)
    said = "is &lt; in an added line the patch's or the archive's?"
    assert said in str(caught.value)
    assert caught.value.hint == "--interactive shows both and asks"
    assert (caught.value.file, caught.value.line) == ("mail", 16)
    chooser = Chooser()
    assert read(given, choose=chooser) == ([" else", "+p", "+<p>", "+q"], [DECODED])
    assert chooser.asked == [Question(said, ("+&lt;p&gt;", "+<p>"))]


@pytest.mark.parametrize("mark", [NBSP, ZERO, "\u2060", "\ufeff", "\u00ad"])
def test_odd_blanks_of_an_archive(mark: str) -> None:
    shown = " " if mark == NBSP else ""
    # The tree has the line without it.
    given = mail(f" else{mark}", f"+\tg({mark});")
    assert read(given) == ([f" else{shown}", f"+\tg({shown});"], [BLANKS])
    # The tree has it as well.
    given = mail(f" else{mark}", f"+\tg({mark});")
    assert read(given, f"else{mark}\n") == ([f" else{mark}", f"+\tg({mark});"], [])
    # C has none outside strings and comments.
    given = mail(" else", f"+\tg({mark});")
    assert read(given) == ([" else", f"+\tg({shown});"], [BLANKS])
    given = mail(" else", f'+\tg("{mark}"); /* {mark} */')
    assert read(given) == ([" else", f'+\tg("{mark}"); /* {mark} */'], [left(mark)])
    # The message shows that the archive inserts it.
    given = mail(" else", f'+\tg("{mark}");', head=[f"a{mark}b"])
    assert read(given) == ([" else", f'+\tg("{shown}");'], [BLANKS])
    # Nothing of the patch has it.
    assert read(mail(" else", "+\tg();", head=[f"a{mark}b"])) == ([" else", "+\tg();"], [BLANKS])


def test_odd_blanks_in_a_header_are_the_archives() -> None:
    given = Mail(
        source="mail",
        sha256="",
        levels=((f"---{NBSP}a/a.c", "+++ b/a.c", "@@ -1,9 +1,9 @@", " else", f'+"{NBSP}"'),),
        first=1,
    )
    assert read(given) == ([" else", '+" "'], [BLANKS])


def test_a_mark_in_the_tree_and_one_that_is_not_there() -> None:
    tree = f"else{NBSP}\nf();\n"
    given = mail(f" else{NBSP}", f" f();{NBSP}", f'+"{NBSP}"')
    assert read(given, tree) == ([" else ", " f(); ", '+" "'], [BLANKS])


def test_a_wide_blank_is_no_archives() -> None:
    assert read(mail(" else", f"+\tg({WIDE});"))[1] == []
    assert read(mail(" else", f"+\tg({WIDE});"))[0] == [" else", f"+\tg({WIDE});"]
    assert read(mail(f" else{WIDE}", f"+\tg({WIDE});"))[0] == [" else ", "+\tg( );"]


def test_marks_are_decided_one_by_one() -> None:
    given = mail(f" else{NBSP}", f'+g("{NBSP}{ZERO}");')
    assert read(given) == ([" else ", f'+g(" {ZERO}");'], [BLANKS, left(ZERO)][::-1])


def test_comments_are_no_code() -> None:
    for hunk in (
        ["+/*", f"+{ZERO}", "+*/"],
        ["+/* a", f"+ * {ZERO}", "+ */"],
        [" /*", f"+{ZERO}", "-*/", "+*/"],
        [" /*", "- */", f"+{ZERO}", "+*/"],
        [f"+ * {ZERO}"],
    ):
        assert read(mail(*hunk))[1] == [left(ZERO)], hunk
    for hunk in (
        ["+/*", "+*/", f"+f({ZERO});"],
        [" /* */", f"+f({ZERO});"],
        ["-/*", f"+f({ZERO});"],
    ):
        assert read(mail(*hunk))[1] == [BLANKS], hunk
    assert read(mail(" else", f"+f({ZERO});", name="a.html"))[1] == [left(ZERO)]


def test_code_is_looked_for_in_all_files_of_a_mail() -> None:
    page = ["--- a/a.html", "+++ b/a.html", "@@ -1 +1 @@", "-x", "+y"]
    given = mail(" else", "+f(&amp;a);", head=page)
    text, repairs = Signs(
        mail=given,
        open_files=lambda text: [OpenFile(diff, "f", "f", Lines()) for diff in text.diffs],
        error=Account(given).error,
        choose=None,
    ).read()
    assert [line.text for line in text.diffs[1].hunks[0].body] == [" else", "+f(&a);"]
    assert repairs == [GUESSED]


def test_odd_blanks_beside_a_diff_without_hunks() -> None:
    lines = (f"a{NBSP}b", "diff --git a/a.c b/b.c", "rename from a.c", "rename to b.c")
    given = Mail(source="mail", sha256="", levels=(lines,), first=1)
    signs = Signs(
        mail=given,
        open_files=lambda text: [OpenFile(diff, "f", "f", Lines()) for diff in text.diffs],
        error=Account(given).error,
        choose=None,
    )
    text, repairs = signs.read()
    assert (text.head, repairs) == (("a b",), [BLANKS])
