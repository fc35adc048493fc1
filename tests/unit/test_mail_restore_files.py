"""Mails of several files, with index lines, and with diffs that are cut or only shown."""

from __future__ import annotations

import hashlib

import pytest
from memnotify.mailpatch import diffs
from memnotify.mailpatch.repairs import Question

from tests.support.restored import NUMBERED, after, mail_of, refusal, repairs, restored

FILES = {"mm/a.c": NUMBERED, "mm/b.c": NUMBERED}
WHOLE = "get the whole mail; if it is whole, correct the header by hand"
NEW = NUMBERED.replace("\tline(11);", "\tnew();\n\tline(11);")


def diff(name: str, *extended: str) -> list[str]:
    head = [f"diff --git a/{name} b/{name}", *extended] if extended else []
    body = [" \tline(9);", " \tline(10);", "+\tnew();", " \tline(11);", " \tline(12);"]
    return [*head, f"--- a/{name}", f"+++ b/{name}", "@@ -10,4 +10,5 @@", *body]


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()[:7]


def test_each_file_gets_its_own_lines() -> None:
    (patch,) = restored(mail_of("Text.", "---", *diff("mm/a.c"), *diff("mm/b.c")), files=FILES)
    assert after(patch) == {"mm/a.c": NEW, "mm/b.c": NEW}
    assert repairs(patch) == []


@pytest.mark.parametrize(("digest", "said"), [(blob(NEW), []), ("89abcde", ["OTHER"])])
def test_the_index_line_states_another_file(digest: str, said: list[str]) -> None:
    lines = diff("mm/a.c", f"index {blob(NUMBERED)}..{digest} 100644")
    (patch,) = restored(mail_of("Text.", "---", *lines), files=FILES)
    assert after(patch) == {"mm/a.c": NEW}
    assert repairs(patch) == [(kind, "mm/a.c", None, "", False) for kind in said]


def test_the_index_line_states_the_file_of_the_tree() -> None:
    lines = diff("mm/a.c", f"index {blob(NUMBERED)}..{blob(NEW)} 100644")
    assert refusal(mail_of("Text.", "---", *lines), files={"mm/a.c": NEW}) == (
        "7: mm/a.c is already the file that the patch makes, by git's index line (give a tree "
        "without the patch)"
    )


def test_a_patch_that_was_damaged_is_told_from_another_base() -> None:
    lines = diff("mm/a.c", f"index {blob(NUMBERED)}..{blob(NEW)} 100644")
    lines.remove(" \tline(10);")
    lines += diff("mm/b.c")
    told = "its lines are there, but not together in this order"
    assert refusal(mail_of("Text.", "---", *lines), files=FILES) == (
        f"11: hunk 1 of 1 does not fit mm/a.c: {told} (by git's index line it was made from this "
        "very file: it was damaged or edited since; get another copy)"
    )
    other = {**FILES, "mm/a.c": NUMBERED + "\tline(40);\n"}
    assert refusal(mail_of("Text.", "---", *lines), files=other) == (
        "11: hunk 1 of 1 does not fit mm/a.c (it would with --fuzz 1)"
    )


def test_a_deletion_that_lacks_lines_of_the_very_file_was_damaged() -> None:
    gone = [f"-{line}" for line in NUMBERED.splitlines()[:-1]]
    head = ["diff --git a/mm/a.c b/mm/a.c", "deleted file mode 100644"]
    names = ["--- a/mm/a.c", "+++ /dev/null", "@@ -1,39 +0,0 @@"]
    said = {
        f"index {blob(NUMBERED)}..0000000": "made from this very file",
        "index 1234567..0000000": "is this the base",
    }
    for index, why in said.items():
        mail = mail_of("Text.", "---", *head, index, *names, *gone)
        why_not = refusal(mail, files=FILES)
        assert "deletes mm/a.c, which has 1 line in the tree that the patch does not" in why_not
        assert why in why_not


FLAT = NUMBERED.replace("\t", "")
SPACED = FLAT.replace("line(11);", "\tline(11);")
EATEN = ["@@ -10,4 +10,4 @@", "line(9);", "line(10);", "-\tline(11);", "+line(11);", "line(12);"]


SIGNATURE = ["-- ", "2.39.2"]  # as git format-patch writes it


def spaced(*extended: str, lines: list[str] = EATEN) -> bytes:
    head = ["diff --git a/mm/a.c b/mm/a.c", *extended, "--- a/mm/a.c", "+++ b/mm/a.c"]
    return mail_of("Text.", "---", *head, *lines)


@pytest.mark.parametrize("below", [[], SIGNATURE])
@pytest.mark.parametrize("index", [[], [f"index {blob(SPACED)}..{blob(FLAT)} 100644"]])
def test_a_change_of_white_space_is_told_from_one_that_the_tree_has(
    index: list[str], below: list[str]
) -> None:
    mail = spaced(*index, lines=[*EATEN, *below])
    (patch,) = restored(mail, files={"mm/a.c": SPACED})
    assert after(patch) == {"mm/a.c": FLAT}
    said = refusal(mail, files={"mm/a.c": FLAT})
    assert said.endswith("(give a tree without the patch)")


@pytest.mark.parametrize("below", [[], SIGNATURE])
def test_a_change_of_white_space_that_is_not_the_trees_is_refused(below: list[str]) -> None:
    files = {"mm/a.c": FLAT.replace("line(11);", "\t\tline(11);")}
    assert refusal(spaced(lines=[*EATEN, *below]), files=files) == (
        "10: hunk 1 of 1 changes only white space, and mm/a.c has neither the old nor the new as "
        "it is in the mail (get an undamaged copy of the mail)"
    )


def test_the_index_line_tells_a_change_of_white_space_that_a_mailer_has_damaged() -> None:
    index = f"index {blob(SPACED)}..{blob(FLAT)} 100644"
    lines = [line.replace("-\t", "-        ") for line in EATEN]
    (patch,) = restored(spaced(index, lines=lines), files={"mm/a.c": SPACED})
    assert after(patch) == {"mm/a.c": FLAT}


def test_a_rule_above_the_names_of_the_next_file_ends_a_hunk_that_lacks_a_line() -> None:
    cut = diff("mm/a.c")[:-1]
    mail = mail_of("Text.", "---", *cut, "=" * 67, *diff("mm/b.c"))
    (patch,) = restored(mail, files=FILES)
    assert after(patch) == {"mm/a.c": NEW, "mm/b.c": NEW}


def test_rules_below_a_hunk_are_read_in_a_time_that_grows_with_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0
    bare = diffs._bare

    def counted(line: str, margin: str) -> str:
        nonlocal calls
        calls += 1
        return bare(line, margin)

    monkeypatch.setattr(diffs, "_bare", counted)
    took = []
    for number in (100, 200):
        calls = 0
        lines = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -1,999999999 +1,999999999 @@", " x", "+y"]
        refusal(mail_of("Text.", "---", *lines, *(["=" * 20] * number)), files=FILES)
        took.append(calls)
    assert 0 < took[1] < 3 * took[0]


def test_the_line_below_a_title_ends_no_hunk_that_lacks_lines() -> None:
    text = FLAT.replace("line(12);", "=" * 30)
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", EATEN[0], *EATEN[1:3], "-line(11);", "+new();"]
    mail = mail_of("Text.", "---", *lines, "=" * 30, "", "Index: mm/b.c", *diff("mm/b.c"))
    (patch,) = restored(mail, files={**FILES, "mm/a.c": text})
    assert after(patch) == {"mm/a.c": text.replace("line(11);", "new();"), "mm/b.c": NEW}
    assert {kind for kind, *_ in repairs(patch)} == {"TREE"}


def test_a_file_that_only_moves_by_a_header_that_was_wrapped() -> None:
    names = ["rename from mm/a.c", "rename to mm/c.c"]
    head = ["diff --git a/mm/a.c", "b/mm/c.c", "similarity index 100%", *names]
    (patch,) = restored(mail_of("Text.", "---", *head), files=FILES)
    assert after(patch) == {"mm/c.c": NUMBERED}
    assert repairs(patch) == [("HEADER", "", 3, "", True)]


def test_a_string_of_a_mail_that_has_lost_no_blanks_is_left_as_it_is() -> None:
    stated = NEW.replace("\tnew();", '\tnew("a  b");')
    lines = diff("mm/a.c", f"index {blob(NUMBERED)}..{blob(stated)} 100644")
    lines = [line.replace("new()", 'new("a b")') for line in lines]
    (patch,) = restored(mail_of("Text.", "---", *lines), files=FILES)
    assert after(patch) == {"mm/a.c": NEW.replace("\tnew();", '\tnew("a b");')}
    assert repairs(patch) == [("OTHER", "mm/a.c", None, "", False)]


def test_the_index_line_decides_what_blanks_were() -> None:
    text = NEW.replace("\tnew();", "\tnew(1,\t2);")
    lines = diff("mm/a.c", f"index {blob(NUMBERED)}..{blob(text)} 100644")
    lines = [line.replace("new()", "new(1,\t2)") for line in lines]
    (patch,) = restored(mail_of("Text.", "---", *lines), files=FILES)
    assert after(patch) == {"mm/a.c": text}
    assert repairs(patch) == []


def test_the_diffstat_decides_how_many_lines_a_hunk_has() -> None:
    stat = [" mm/a.c | 1 +", " 1 file changed, 1 insertion(+)", ""]
    lines = [line.replace("-10,4 +10,5", "-10,3 +10,4") for line in diff("mm/a.c")]
    for head, sure in ((stat, True), ([], False)):
        (patch,) = restored(mail_of("Text.", "---", *head, *lines), files=FILES)
        assert after(patch) == {"mm/a.c": NEW}
        assert repairs(patch) == [("NUMBERS", "mm/a.c", 5 + len(head), "", sure)]


def test_a_change_of_nothing_is_one_of_a_mode_only() -> None:
    head = ["Text.", "---", "diff --git a/mm/a.c b/mm/a.c"]
    hunk = ["@@ -10,2 +10,2 @@", " \tline(9);", "-\tline(10);", "+\tline(10);"]
    names = ["--- a/mm/a.c", "+++ b/mm/a.c"]
    mail = mail_of(*head, "old mode 100644", "new mode 100755", *names, *hunk)
    (patch,) = restored(mail, files=FILES)
    assert after(patch) == {"mm/a.c": NUMBERED}
    said = refusal(mail_of(*head, "dissimilarity index 90%", *names, *hunk), files=FILES)
    assert said.startswith("7: changes nothing in mm/a.c")


def test_a_diff_that_a_message_only_shows() -> None:
    mail = mail_of("Like this:", *diff("mm/b.c"), "---", *diff("mm/a.c"))
    assert refusal(mail, files=FILES) == (
        "6: a diff above the --- that ends a message, and another below it (give the patch without "
        "the diff that its message shows, or two patches as two files)"
    )


def test_a_mail_that_ends_in_the_header_of_a_file() -> None:
    mail = mail_of("Text.", "---", *diff("mm/a.c"), "diff --git a/mm/b.c b/mm/b.c", "--- a/mm/b.c")
    said = f"15: the mail ends in the header of b/mm/b.c ({WHOLE})"
    assert refusal(mail, files=FILES) == said


def test_blanks_at_the_beginning_of_code_of_a_new_file_are_doubted() -> None:
    code = ["int f(void)", "{", "        return 1;", "}"]
    head = ["--- /dev/null", "+++ b/mm/c.c", "@@ -0,0 +1,4 @@"]
    mail = mail_of("Text.", "---", *head, *(f"+{line}" for line in code))
    (patch,) = restored(mail, files={})
    assert after(patch) == {"mm/c.c": "".join(f"{line}\n" for line in code)}
    detail = "blanks at the beginning of lines of code"
    assert repairs(patch) == [("LEFT", "mm/c.c", None, detail, False)]


def test_a_quoted_patch_is_told() -> None:
    mail = mail_of("Ada wrote:", *(f"> {text}" for text in ["Text.", "---", *diff("mm/a.c")]))
    (patch,) = restored(mail, files={"mm/a.c": NUMBERED})
    assert after(patch) == {"mm/a.c": NEW}
    assert repairs(patch) == [("QUOTED", "", None, "", True)]


def test_addresses_in_added_lines_that_an_archive_has_masked_are_told() -> None:
    lines = [line.replace("\tnew();", "/* ada@xxxxxxxxx */") for line in diff("mm/a.c")]
    mail = mail_of("Text.", "---", *lines)
    (patch,) = restored(mail, files={"mm/a.c": NUMBERED})
    assert repairs(patch) == [("MASKED", "mm/a.c", 8, "ada@xxxxxxxxx", True)]


def test_a_file_that_the_tree_has_not() -> None:
    assert refusal(mail_of("Text.", "---", *diff("mm/a.c")), files={"mm/b.c": NUMBERED}) == (
        "7: changes mm/a.c, which is not in the tree (is this the base that the patch is for?)"
    )


PAGE, ADDED = {"a.html": "else\n"}, ("&lt;p&gt;", "<p>")
PAGE_DIFF = ["--- a/a.html", "+++ b/a.html", "@@ -1 +1,2 @@", " else", f"+{ADDED[0]}"]


@pytest.mark.parametrize("choice", [0, 1])
def test_entities_that_nothing_decides_are_asked_for(choice: int) -> None:
    mail = mail_of("A message.", "---", *PAGE_DIFF)
    said = "is &lt; in an added line the patch's or the archive's?"
    assert refusal(mail, files=PAGE) == f"11: {said} (--interactive shows both and asks)"
    asked: list[Question] = []

    def chosen(question: Question) -> int:
        asked.append(question)
        return choice

    (patch,) = restored(mail, files=PAGE, choose=chosen)
    assert asked == [Question(said, tuple(f"+{text}" for text in ADDED))]
    assert after(patch) == {"a.html": f"else\n{ADDED[choice]}\n"}


@pytest.mark.parametrize("text", ADDED)
def test_the_index_line_decides_whose_entities_are(text: str) -> None:
    made = f"else\n{text}\n"
    index = f"index {blob(PAGE['a.html'])}..{blob(made)} 100644"
    head = ["A message.", "---", "diff --git a/a.html b/a.html", index]
    (patch,) = restored(mail_of(*head, *PAGE_DIFF), files=PAGE)
    assert after(patch) == {"a.html": made}
    assert [kind for kind, *_ in repairs(patch)] == (["DECODED"] if text == "<p>" else [])


def test_code_of_a_new_file_that_is_flush_left_is_indented() -> None:
    code = ["int f(void)", "{", "return 1;", "}"]
    head = ["--- /dev/null", "+++ b/mm/c.c", "@@ -0,0 +1,4 @@"]
    mail = mail_of("Text.", "---", *head, *(f"+{line}" for line in code))
    (patch,) = restored(mail, files={})
    assert after(patch) == {"mm/c.c": "int f(void)\n{\n\treturn 1;\n}\n"}
    assert repairs(patch) == [("LAYOUT", "mm/c.c", 8, "", False)]


def test_the_index_line_of_one_file_confirms_nothing_of_another() -> None:
    lines = [*diff("mm/b.c"), *diff("mm/a.c", f"index {blob(NUMBERED)}..{blob(NEW)} 100644")]
    bare = (line.replace("\t", "") for line in lines)
    (patch,) = restored(mail_of("Text.", "---", *bare), files=FILES)
    assert after(patch) == {"mm/a.c": NEW, "mm/b.c": NEW}
    laid = [repair for repair in repairs(patch) if repair[0] == "LAYOUT"]
    assert laid == [
        ("LAYOUT", "mm/b.c", 8, "", False),
        ("LAYOUT", "mm/a.c", 18, "confirmed by the index line", True),
    ]
