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
    given: Mail, tree: str = TREE, choose: Chooser | None = None, proven: Sequence[str] = ()
) -> tuple[list[str], list[Repair]]:
    """Return the lines of the hunk, and the repairs.

    An index line confirms a text if the last line of its last hunk is one of `proven`.
    """

    def open_files(text: Text) -> list[OpenFile]:
        return [OpenFile(diff, "f", "f", Lines.of(tree.encode())) for diff in text.diffs]

    def confirms(files: Sequence[OpenFile]) -> bool:
        return not files or files[-1].diff.hunks[-1].body[-1].text in proven

    error = Account(given).error
    signs = Signs(mail=given, open_files=open_files, error=error, choose=choose, proven=confirms)
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
        ([" x &amp;lt; y", "+\tg();"], [" x < y", "+\tg();"], [DECODED]),
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


def test_an_index_line_proves_whose_the_entities_are() -> None:
    given = mail(" else", "+f(&amp;a);")
    assert read(given, proven=["+f(&amp;a);"]) == ([" else", "+f(&amp;a);"], [])
    assert read(given, proven=["+f(&a);"]) == ([" else", "+f(&a);"], [DECODED])
    # It says nothing of those that are in the message, or if it confirms no text.
    given = mail(" else", "+f();", head=["&lt;ada@example.org&gt;"])
    assert read(given, proven=["+f();"]) == ([" else", "+f();"], [DECODED])
    given = mail(" else", "+f(&amp;a);")
    both = ["+f(&amp;a);", "+f(&a);"]
    assert read(given, proven=both) == ([" else", "+f(&a);"], [GUESSED])


def test_an_index_line_proves_whose_odd_blanks_are() -> None:
    given = mail(" else", f"+g({NBSP});")
    assert read(given, proven=[f"+g({NBSP});"]) == ([" else", f"+g({NBSP});"], [])
    assert read(given, proven=["+g( );"]) == ([" else", "+g( );"], [BLANKS])
    # An archive that inserts them into the message inserts them into the diff.
    given = mail(" else", "+g();", head=[f"a{NBSP}b"])
    assert read(given, proven=["+g();"]) == ([" else", "+g();"], [])
    given = mail(" else", f"+g({NBSP}&amp;a);")
    assert read(given, proven=["+g( &a);"]) == ([" else", "+g( &a);"], [DECODED, BLANKS])
    assert read(given, proven=[f"+g({NBSP}&a);"]) == ([" else", f"+g({NBSP}&a);"], [DECODED])
    # Only what has a diff can be confirmed.
    lines = ["--- a/a.c", "+++ b/a.c", "@@ -1,9 +1,9 @@", " else", f"+g({NBSP});"]
    quoted = levels_of([f"&gt; {line}" for line in lines])
    given = Mail(source="mail", sha256="", levels=quoted, first=10)
    assert read(given, proven=[f"+g({NBSP});"]) == ([" else", f"+g({NBSP});"], [DECODED])


def test_a_line_that_is_added_only_if_its_sign_was_escaped_is_asked_for() -> None:
    given = mail(" else", "&#43;x;")
    chooser = Chooser()
    assert read(given, choose=chooser) == ([" else", "+x;"], [DECODED])
    said = "is this in an added line the patch's or the archive's?"
    assert chooser.asked == [Question(said, ("", "+x;"))]


def test_entities_that_stay_in_code_however_often_it_is_decoded() -> None:
    with pytest.raises(InputError, match="is &amp; in an added line"):
        read(mail(" else", "+f(&amp;a, &#1;);"))


def test_what_no_reading_can_restore_is_refused_at_its_line() -> None:
    with pytest.raises(InputError, match="a binary diff") as caught:
        read(mail(" else", "+x", head=["diff --git a/x b/x", "Binary files a/x and b/x differ"]))
    assert (caught.value.file, caught.value.line) == ("mail", 11)


def test_a_mail_without_a_diff() -> None:
    given = Mail(source="mail", sha256="", levels=((f"Text.{NBSP}", "--- a/a.c"),), first=1)
    signs = Signs(mail=given, open_files=lambda text: [], error=Account(given).error, choose=None)
    text, repairs = signs.read()
    assert (text.head, text.diffs, repairs) == (("Text. ", "--- a/a.c"), (), [BLANKS])


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


def test_a_patch_may_insert_an_odd_blank() -> None:
    tree = "f( );\ng();\n"
    body = ["-f( );", f"+f({NBSP});", "+g();"]
    assert read(mail(*body), tree) == (body, [])
    # Another line shows that they are the archive's.
    given = mail(*body, f" g();{NBSP}")
    assert read(given, tree) == (["-f( );", "+f( );", "+g();", " g(); "], [BLANKS])


def test_an_added_line_is_no_line_of_the_tree_that_looks_like_it() -> None:
    body = [" else", f'+ "{NBSP}";']
    assert read(mail(*body), 'else\n+ "";\n') == (body, [left(NBSP)])


def test_marks_are_decided_one_by_one() -> None:
    given = mail(f" else{NBSP}", f'+g("{NBSP}{ZERO}");')
    assert read(given) == ([" else ", f'+g(" {ZERO}");'], [BLANKS, left(ZERO)][::-1])


def test_comments_are_no_code() -> None:
    for hunk in (
        ["+/*", f"+{ZERO}", "+*/"],
        ["+/*", f"+  {ZERO}"],
        [" /*", " a", f"+{ZERO}"],
        ["/* a", f"+{ZERO}"],  # its blank is lost
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


def test_the_code_of_a_new_file() -> None:
    lines = ["--- /dev/null", "+++ b/a.c", "@@ -0,0 +1 @@", "+f(&amp;a);"]
    given = Mail(source="mail", sha256="", levels=levels_of(lines), first=1)
    assert read(given, "") == (["+f(&a);"], [GUESSED])


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
