"""Hunks of a mail read against a file: what is restored, repaired, doubted, asked and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.repairs import Question
from memnotify.mailpatch.restore_patch import Restorer
from memnotify.series.apply import FileState

from tests.support.restored import (
    HEAD,
    NAME,
    NUMBERED,
    after,
    hunk,
    line,
    mail_of,
    refusal,
    repairs,
    restored,
    with_new,
)

OTHER_BASE = "is this the base that the patch is for?"
ANOTHER_TREE = "give a tree without the patch"
WHOLE = "get the whole mail; if it is whole, correct the header by hand"
TABLE = "a();\nb();\nc();\n" * 5

ABOVE, BELOW = [line(9), line(10)], [line(11), line(12)]
NEW = "+\tnew();"
PLAIN = [*ABOVE, NEW, *BELOW]
LATER = [line(29), NEW, line(30)]
LONG = "+\tnew(a_very_long_name_of_an_argument, another_very_long_name,"
RESTORED: dict[str, tuple[list[str], str, list[tuple[str, int | None, str, bool]]]] = {
    "as it stands": (hunk(10, *PLAIN), with_new(), []),
    "at another line": (
        hunk(12, *PLAIN),
        with_new(),
        [("MOVED", 5, "-2 lines", True)],
    ),
    "further down": (hunk(7, *PLAIN), with_new(), [("MOVED", 5, "+3 lines", True)]),
    "without any context": (["@@ -10,0 +11 @@", NEW], with_new(10), []),
    "without its blanks": (
        hunk(10, *(text.replace("\t", "").strip() for text in PLAIN), old=4, new=5),
        with_new(),
        [
            *(("TREE", at, "", True) for at in (6, 7, 9, 10)),
            ("LAYOUT", 8, "", False),
        ],
    ),
    "wrapped, added": (
        hunk(10, *ABOVE, LONG, "one_more_long_name);", *BELOW, old=4, new=5),
        with_new(text=f"{LONG[1:]} one_more_long_name);"),
        [("WRAPPED", 8, "", True)],
    ),
    "wrapped, added, the last": (
        hunk(39, line(38), line(39), LONG, "one_more_long_name);", old=2, new=3),
        f"{NUMBERED}{LONG[1:]} one_more_long_name);\n",
        [("WRAPPED", 8, "", False)],
    ),
    "wrapped, of the tree": (
        hunk(10, line(9), " \tline(", "10);", NEW, *BELOW, old=4, new=5),
        with_new(),
        [("WRAPPED", 7, "", True), ("TREE", 7, "", True)],
    ),
    "an empty line more": (
        hunk(10, *ABOVE, "", NEW, *BELOW, old=4, new=5),
        with_new(),
        [("EXTRA", 8, "", True)],
    ),
    "a header that was wrapped": (
        [
            "@@ -10,4 +10,5 @@ static int a_function_of_a_long_name(struct lamp *lamp,",
            "int b)",
            *PLAIN,
        ],
        with_new(),
        [("HEADER", 6, "", True)],
    ),
    "other counts": (
        hunk(10, *PLAIN, old=3, new=4),
        with_new(),
        [("NUMBERS", 5, "", False)],
    ),
    "other counts than the next hunk says": (
        [*hunk(10, *PLAIN, old=3, new=3), *hunk(31, *LATER, at=30)],
        with_new().replace("\tline(30);", "\tnew();\n\tline(30);"),
        [("NUMBERS", 5, "", True)],
    ),
    "no context below, but not at the end": (
        hunk(10, *ABOVE, NEW),
        with_new(),
        [("EDGE", 5, "", False)],
    ),
    "no context below, at the end": (
        hunk(39, line(38), line(39), NEW),
        NUMBERED + "\tnew();\n",
        [],
    ),
    "no context above, but not at the beginning": (
        hunk(1, NEW, *BELOW),
        with_new(),
        [("EDGE", 5, "", False), ("MOVED", 5, "+11 lines", True)],
    ),
    "no context above, at the beginning": (hunk(1, NEW, line(0)), f"\tnew();\n{NUMBERED}", []),
    "a line more than is counted": (
        [*hunk(10, *PLAIN), "+\tmore();", *hunk(30, *LATER)],
        with_new(13, "\tmore();")
        .replace("\tline(11);", "\tnew();\n\tline(11);")
        .replace("\tline(30);", "\tnew();\n\tline(30);"),
        [("EDGE", 5, "", False), ("DISPUTED", None, "", False), ("NUMBERS", 5, "", False)],
    ),
    "twice": (
        [*hunk(10, *PLAIN), "---", "Text", *HEAD[2:], *hunk(10, *PLAIN)],
        with_new(),
        [("REPEATED", 15, "", True)],
    ),
}


@pytest.mark.parametrize(("lines", "text", "said"), RESTORED.values(), ids=RESTORED)
def test_what_is_restored(
    lines: list[str], text: str, said: list[tuple[str, int | None, str, bool]]
) -> None:
    (patch,) = restored(mail_of(*HEAD, *lines), files={NAME: NUMBERED})
    assert after(patch) == {NAME: text}
    assert [(kind, *rest) for kind, _, *rest in repairs(patch)] == said
    assert all(file == ("" if kind == "REPEATED" else NAME) for kind, file, *_ in repairs(patch))


REFUSED = {
    "applied": (
        hunk(10, *ABOVE, line(11, "+"), line(12)),
        f"9: hunk 1 of 1 is in mm/a.c already: it applies in reverse ({ANOTHER_TREE})",
    ),
    "applied, but for the white space": (
        hunk(10, line(9), "-        line(10);", line(10, "+"), line(11)),
        f"9: hunk 1 of 1 is in mm/a.c already: it applies in reverse ({ANOTHER_TREE})",
    ),
    "removed already": (
        hunk(10, *ABOVE, "-\tother();", *BELOW),
        f"9: hunk 1 of 1 is in mm/a.c already: it applies in reverse ({ANOTHER_TREE})",
    ),
    "removed already, below a single line": (
        hunk(10, line(9), "-\tother();"),
        f"9: hunk 1 of 1 is in mm/a.c already: it applies in reverse ({ANOTHER_TREE})",
    ),
    "fuzz of one line": (
        hunk(10, " \tother();", line(10), line(11), NEW, line(12), line(13), line(14)),
        "9: hunk 1 of 1 does not fit mm/a.c (it would with --fuzz 1)",
    ),
    "fuzz of two lines": (
        hunk(10, " \tother();", " \tmore();", line(11), NEW, line(12), line(13), line(14)),
        "9: hunk 1 of 1 does not fit mm/a.c (it would with --fuzz 2)",
    ),
    "a line that the file has not": (
        hunk(10, *ABOVE, "-\tother();", NEW, *BELOW),
        f"12: hunk 1 of 1 does not fit mm/a.c, which has no line 'other();' ({OTHER_BASE})",
    ),
    "lines in another order": (
        hunk(10, line(12), line(11), line(30, "-"), line(10), line(9)),
        "9: hunk 1 of 1 does not fit mm/a.c: its lines are there, but not together in this order "
        f"({OTHER_BASE})",
    ),
    "a hunk above the one before": (
        [*hunk(30, *LATER), *hunk(10, *PLAIN)],
        f"13: hunk 2 of 2 fits mm/a.c only at line 10, above the hunk before it ({OTHER_BASE})",
    ),
    "a hunk above the one before, at the first line": (
        [*hunk(30, *LATER), *hunk(1, line(0), NEW, line(1))],
        f"13: hunk 2 of 2 fits mm/a.c only at line 1, above the hunk before it ({OTHER_BASE})",
    ),
    "an empty line that the file has not, in a hunk that is whole": (
        [
            *hunk(10, *ABOVE, "", NEW, line(11), old=4, new=5),
            *hunk(30, line(29), LONG, "one_more_long_name);", line(30), old=2, new=3),
        ],
        "9: hunk 1 of 2 does not fit mm/a.c: its lines are there, but not together in this order "
        f"({OTHER_BASE})",
    ),
    "lines that are lost": (
        [*hunk(10, *PLAIN, old=7, new=8), *hunk(30, *LATER)],
        f"9: the mail lacks lines in hunk 1 of 2 of mm/a.c: 5 of 8 lines are there ({WHOLE})",
    ),
    "the end that is lost": (
        hunk(10, *PLAIN, old=7, new=8),
        f"14: the mail ends in hunk 1 of 1 of mm/a.c: 5 of 8 lines are there ({WHOLE})",
    ),
    "counts that the next hunk confirms": (
        [*hunk(10, *PLAIN, old=3, new=3), *hunk(30, *LATER)],
        "9: the mail has not the lines that the header of hunk 1 of 2 of mm/a.c counts, and the "
        f"next hunk or the diffstat agrees with that ({WHOLE})",
    ),
    "applied, and the mail lacks a line": (
        [*hunk(10, *ABOVE, line(11, "+"), line(12), old=4, new=5), *hunk(30, *LATER)],
        f"9: the mail lacks lines in hunk 1 of 2 of mm/a.c: 4 of 5 lines are there ({WHOLE})",
    ),
    "more fuzz in the next hunk": (
        [
            *hunk(10, " \tother();", line(10), line(11), NEW, line(12), line(13), line(14)),
            *hunk(30, " \tother();", " \tmore();", line(31), NEW, line(32), line(33), line(34)),
        ],
        "9: hunk 1 of 2 does not fit mm/a.c (it would with --fuzz 2)",
    ),
    "fuzz that does not help the next hunk": (
        [
            *hunk(10, " \tother();", line(10), line(11), NEW, line(12), line(13), line(14)),
            *hunk(30, line(29), "-\tgone();", line(30)),
        ],
        f"10: hunk 1 of 2 does not fit mm/a.c, which has no line 'other();' ({OTHER_BASE})",
    ),
    "a line between two hunks": (
        [*hunk(10, *PLAIN), "A remark.", *hunk(30, *LATER)],
        "15: unexpected line after hunk 1 of 2 of mm/a.c: 'A remark.' (the hunk header counts "
        "fewer lines; has the mail lost a line?)",
    ),
    "context below the lines that are counted": (
        [*hunk(10, *PLAIN), " other();"],
        "15: unexpected line after hunk 1 of 1 of mm/a.c: ' other();' (the hunk header counts "
        "fewer lines; has the mail lost a line?)",
    ),
    "nothing that changes": (
        hunk(10, line(9), line(10, "-"), line(10, "+"), line(11)),
        "7: changes nothing in mm/a.c: the lines that it adds are those that it removes (does the "
        "tree have the patch, or has the mail lost its white space?)",
    ),
}


@pytest.mark.parametrize(("lines", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(lines: list[str], said: str) -> None:
    assert refusal(mail_of(*HEAD, *lines), files={NAME: NUMBERED}) == said


def test_context_that_the_tree_has_not_is_left_out_if_the_user_allows_it() -> None:
    body = [" \tother();", line(10), line(11), NEW, line(12), line(13), line(14)]
    (patch,) = restored(mail_of(*HEAD, *hunk(10, *body)), files={NAME: NUMBERED}, fuzz=1)
    assert after(patch) == {NAME: with_new(12)}
    assert repairs(patch) == [("FUZZ", NAME, 6, "other();", False)]
    body[1] = " \tmore();"
    said = refusal(mail_of(*HEAD, *hunk(10, *body)), files={NAME: NUMBERED}, fuzz=1)
    assert said == "9: hunk 1 of 1 does not fit mm/a.c (it would with --fuzz 2)"


def test_the_user_is_asked_where_an_empty_line_is() -> None:
    text = NUMBERED.replace("\tline(11);", "\n\tline(11);")
    mail = mail_of(*HEAD, *hunk(10, *ABOVE, NEW, line(11), old=4, new=5))
    said = "hunk 1 of 1 of mm/a.c can be read in 2 ways"
    assert refusal(mail, files={NAME: text}) == f"9: {said} (--interactive shows them and asks)"
    asked: list[Question] = []

    def first(question: Question) -> int:
        asked.append(question)
        return 0

    (patch,) = restored(mail, files={NAME: text}, choose=first)
    (question,) = asked
    assert question.text == said
    assert [choice.splitlines()[0] for choice in question.choices] == ["mm/a.c:10:"] * 2
    either = ("\tnew();\n\n", "\n\tnew();\n")
    assert after(patch)[NAME] in [
        NUMBERED.replace("\tline(11);", f"{lines}\tline(11);") for lines in either
    ]


def test_the_user_is_asked_at_which_place() -> None:
    mail = mail_of(*HEAD, *hunk(90, " b();", " c();", "+x();", " a();"))
    said = "hunk 1 of 1 fits mm/a.c equally well at lines 2, 5, 8, 11"
    assert refusal(mail, files={NAME: TABLE}) == f"9: {said} (--interactive shows them and asks)"
    asked: list[Question] = []

    def second(question: Question) -> int:
        asked.append(question)
        return 1

    (patch,) = restored(mail, files={NAME: TABLE}, choose=second)
    shown = [f"mm/a.c:{at}:\n b();\n c();\n+x();\n a();" for at in (2, 5, 8, 11)]
    assert asked == [Question(said, tuple(shown))]
    assert after(patch)[NAME].splitlines().index("x();") == 6
    assert repairs(patch)[0] == ("CHOSEN", NAME, 5, "", True)


def test_a_hunk_that_lacks_lines_is_not_asked_for() -> None:
    one = hunk(90, " a();", "+x();", " b();", old=3, new=4)
    mail = mail_of(*HEAD, *one, *hunk(120, " b();", "+y();", " c();"))
    assert refusal(mail, files={NAME: TABLE}) == (
        f"9: the mail lacks lines in hunk 1 of 2 of mm/a.c: 3 of 4 lines are there ({WHOLE})"
    )


def test_a_place_that_is_in_the_header_is_not_asked_for() -> None:
    mail = mail_of(*HEAD, *hunk(8, " b();", " c();", "+x();", " a();"))
    (patch,) = restored(mail, files={NAME: TABLE})
    assert after(patch)[NAME].splitlines().index("x();") == 9
    assert repairs(patch) == []


@pytest.mark.parametrize(("choice", "blank"), [(0, " "), (1, "")])
def test_the_user_is_asked_for_a_blank_of_a_wrapped_string(choice: int, blank: str) -> None:
    wrapped = ['+\tprintk("a very long message of this kernel that is wrapped', 'here", x);']
    mail = mail_of(*HEAD, *hunk(10, *ABOVE, *wrapped, *BELOW, old=4, new=5))
    said = "a string of mm/a.c was wrapped: is there a blank where the line ends?"
    assert refusal(mail, files={NAME: NUMBERED}) == f"13: {said} (--interactive shows both)"
    asked: list[Question] = []

    def chosen(question: Question) -> int:
        asked.append(question)
        return choice

    (patch,) = restored(mail, files={NAME: NUMBERED}, choose=chosen)
    text = f'{wrapped[0][1:]}{blank}here", x);'
    assert asked[0].text == said
    assert asked[0].choices[choice] == text
    assert after(patch) == {NAME: with_new(text=text)}
    assert ("CHOSEN", NAME, 9, "", True) in repairs(patch)


STRINGS = (
    'int f(void)\n{{\n\tsay(m,\n\t\t"one:    %d\\n"\n{}\t\t"two:    %d\\n",\n\t\t1,  2);\n}}\n'
)


@pytest.mark.parametrize(("choice", "blanks"), [(0, 1), (1, 4)])
def test_the_user_is_asked_for_blanks_of_a_string_in_a_table(choice: int, blanks: int) -> None:
    lines = [" say(m,", ' "one: %d\\n"', '+"six: %d\\n"', ' "two: %d\\n",', " 1, 2);", " }"]
    mail = mail_of(*HEAD, *hunk(3, *lines))
    said = "a string of mm/a.c may have had more blanks, as those around it have"
    files = {NAME: STRINGS.format("")}
    assert refusal(mail, files=files) == f"12: {said} (--interactive shows both and asks)"
    asked: list[Question] = []

    def chosen(question: Question) -> int:
        asked.append(question)
        return choice

    (patch,) = restored(mail, files=files, choose=chosen)
    rows = tuple(f'\t\t"six:{" " * count}%d\\n"' for count in (1, 4))
    assert asked == [Question(said, rows)]
    assert after(patch) == {NAME: STRINGS.format(f"{rows[choice]}\n")}
    assert ("CHOSEN", NAME, 8, "", True) in repairs(patch)
    assert ("LAYOUT", NAME, 8, "", False) in repairs(patch)
    assert f"six:{' ' * blanks}%d" in after(patch)[NAME]


def test_a_file_is_deleted_only_with_all_its_lines() -> None:
    head = ["Text.", "---", "diff --git a/mm/a.c b/mm/a.c", "deleted file mode 100644"]
    names = ["--- a/mm/a.c", "+++ /dev/null"]
    removed = [line(number, "-") for number in range(3)]
    mail = mail_of(*head, *names, "@@ -1,3 +0,0 @@", *removed)
    whole = "".join(f"\tline({number});\n" for number in range(3))
    (patch,) = restored(mail, files={NAME: whole})
    (change,) = patch.changes
    assert (change.before, change.after) == (NAME, None)
    assert refusal(mail_of(*head), files={NAME: whole}) == (
        "7: deletes mm/a.c without showing its lines (git format-patch -D leaves them out, and no "
        "program can apply that; make it without -D)"
    )
    for more, lines in ((1, "1 line"), (4, "4 lines")):
        text = whole + "\tmore();\n" * more
        assert refusal(mail, files={NAME: text}) == (
            f"7: deletes mm/a.c, which has {lines} in the tree that the patch does not remove "
            f"({OTHER_BASE})"
        )


def test_a_last_line_without_an_end_is_no_repair() -> None:
    end = "\\ No newline at end of file"
    body = [line(38), line(39, "-"), end, NEW, end]
    (patch,) = restored(mail_of(*HEAD, *hunk(39, *body)), files={NAME: NUMBERED[:-1]})
    assert after(patch) == {NAME: NUMBERED.replace("\tline(39);\n", "\tnew();")}
    assert repairs(patch) == []


@pytest.mark.parametrize(
    ("effort", "said"), [(1, "7: the mail's first diff"), (1000, "9: hunk 1 of 1 of mm/a.c")]
)
def test_a_mail_that_takes_too_long_is_refused(effort: int, said: str) -> None:
    lines = mail_of(*HEAD, *hunk(900, " b();", " c();", "+x();", " a();"))
    (mail,) = mails_of(lines, Path("mail"))
    files = {NAME: FileState((TABLE * 20).encode(), 0o644)}
    with pytest.raises(InputError) as caught:
        Restorer(mail, files.get, effort=Effort(effort)).restore()
    assert str(caught.value) == (
        f"mail:{said} is too ambiguous: it can be read in too many ways (an undamaged copy of the "
        "mail can be read in one)"
    )
