"""What a mail and a tree show decides how a mail is read, and what a refusal says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.series.apply import FileState

from tests.support.history import git_apply

HEAD = "From: Ada <ada@example.org>\nDate: Tue, 15 Jan 2008 10:00:29 +0900\n"
TITLE = "Subject: [PATCH] make lamps tell\n"
NAMES = ["--- a/mm/lamp.c", "+++ b/mm/lamp.c"]
CODE = [f"\tline({n});" for n in range(1, 30)]

Tree = Mapping[str, str]


def mail(diff: list[str], message: str = "Lamps are dark.") -> bytes:
    return f"{HEAD}{TITLE}\n{message}\n---\n\n{chr(10).join(diff)}\n".encode()


def text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def take(data: bytes, tree: Tree) -> Imported:
    files = {name: FileState(content.encode(), 0o644) for name, content in tree.items()}
    (patch,) = import_mails(mails_of(data, Path("mail")), files.get).patches
    assert isinstance(patch, Imported)
    return patch


def taken(data: bytes, tree: Tree) -> Tree:
    """Return the files that git makes of what an import gives."""
    files = {name: FileState(content.encode(), 0o644) for name, content in tree.items()}
    made = git_apply(take(data, tree).data, files)
    assert made is not None
    return {name: state.data.decode() for name, state in made.items() if state is not None}


def refused(data: bytes, tree: Tree) -> str:
    with pytest.raises(InputError) as error:
        take(data, tree)
    return str(error.value)


def lamp(lines: list[str]) -> Tree:
    return {"mm/lamp.c": text(lines)}


def blob(content: str) -> str:
    data = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()[:9]


def indexed(hunk: list[str], old: str, new: str) -> list[str]:
    head = ["diff --git a/mm/lamp.c b/mm/lamp.c", f"index {blob(old)}..{blob(new)} 100644"]
    return [*head, *NAMES, *hunk]


# --- whose headers those of a page are


@pytest.mark.parametrize(
    "message",
    [
        "based on:\n\n Subject: other lamps\n From: Eve <eve@example.org>\n\nThey tell.",
        "The mail was this one.\n\nSubject: other lamps\nFrom: Eve <eve@example.org>\n\nThey tell.",
    ],
)
def test_headers_in_the_message_of_a_page_are_its_text(message: str) -> None:
    diff = text([*NAMES, "@@ -2,2 +2,3 @@", f" {CODE[1]}", "+\tlamp();", f" {CODE[2]}"])
    page = f"[PATCH] make lamps tell\n\n{HEAD}\n\n{message}\n---\n\n{diff}"
    patch = take(page.encode(), lamp(CODE))
    assert patch.post.title == "make lamps tell"
    assert "\n\n" + message + "\n\n---\n" in patch.data.decode()


# --- a tree that has the patch

ENTRY = ["config LAMP", "\tbool", "\tdefault y", ""]
KCONFIG = ["config HALL", "\tbool", "\tdefault y", "", 'source "init/Kconfig"', "", "menu"]
ADDED = [f"+{line.strip()}" for line in ENTRY]


def collapsed_hunk(start: int) -> list[str]:
    context = [" bool", " default y", " "]
    below = [' source "init/Kconfig"', " ", " menu"]
    return [*NAMES, f"@@ -{start},6 +{start},10 @@", *context, *ADDED, *below]


def test_a_patch_is_not_put_beside_itself() -> None:
    """It fits behind the lines that it has added: they end as those before them do."""
    has_it = lamp([*KCONFIG[:4], *ENTRY, *KCONFIG[4:]])
    assert "is in mm/lamp.c already" in refused(mail(collapsed_hunk(12)), has_it)
    made = taken(mail(collapsed_hunk(12)), lamp(KCONFIG))["mm/lamp.c"]
    assert made.split() == text([*KCONFIG[:4], *ENTRY, *KCONFIG[4:]]).split()


def test_a_patch_is_not_put_twice_at_the_end_of_a_file() -> None:
    hunk = [*NAMES, "@@ -60,3 +60,5 @@", *(f" {line.strip()}" for line in CODE[-3:])]
    hunk += ["+lamp();", "+lamps();"]
    has_it = lamp([*CODE, "\tlamp();", "\tlamps();"])
    assert "is in mm/lamp.c already" in refused(mail(hunk), has_it)


def test_a_patch_of_an_empty_line_is_not_applied_twice() -> None:
    body = [*CODE[:3], "", *CODE[3:6]]
    hunk = [line.strip() for line in CODE[:3]] + ["+"] + [line.strip() for line in CODE[3:6]]
    there = lamp([*body, *CODE[6:]])
    data = mail([*NAMES, "@@ -1,6 +1,7 @@", *hunk])
    assert "is in mm/lamp.c already" in refused(data, there)
    assert taken(data, lamp(CODE)) == there


def test_a_lost_line_is_not_taken_for_an_empty_one_in_a_tree_that_has_the_patch() -> None:
    tree = [".m = {", "\t.a,", "\t},", "},", "{ }", "};", ""]
    block = ["{", "\t.m = {", "\t.b,", "\t},", "", "},"]
    # The first line of context is lost.
    hunk = [*NAMES, "@@ -2,6 +2,12 @@", " \t},", " },", *(f"+{line}" for line in block)]
    hunk += [" { }", " };", " "]
    there = lamp([*tree[:4], *block, *tree[4:]])
    assert "lacks lines" in refused(mail(hunk), there) or "already" in refused(mail(hunk), there)


def test_the_other_copy_is_not_removed_from_a_tree_that_has_the_patch() -> None:
    twice = [*CODE[:5], "\tlamp();", "\tlamps();", *CODE[5:9]]
    body = [*twice, *twice]
    at = len(twice) + 5
    hunk = [f"@@ -{at - 2},8 +{at - 2},6 @@", *(f" {x}" for x in CODE[2:5])]
    hunk += ["-\tlamp();", "-\tlamps();", *(f" {x}" for x in CODE[5:8])]
    once = lamp([*body[:at], *body[at + 2 :]])
    data = mail([*NAMES, *hunk])
    assert taken(data, lamp(body)) == once
    assert "is in mm/lamp.c already" in refused(data, once)


def test_the_index_line_shows_that_a_tree_has_the_patch() -> None:
    """Wherever else the hunk would fit."""
    old, new = text([*CODE, *CODE]), text([*CODE[:2], "\tlamp();", *CODE[2:], *CODE])
    hunk = ["@@ -31,2 +32,3 @@", f" {CODE[1]}", "+\tlamp();", f" {CODE[2]}"]
    data = mail(indexed(hunk, old, new))
    assert "is already the file that the patch makes" in refused(data, {"mm/lamp.c": new})
    assert taken(mail([*NAMES, *hunk]), {"mm/lamp.c": new})["mm/lamp.c"].count("lamp();") == 2


# --- reasons


def test_dashes_among_the_context_are_no_footer() -> None:
    rule = "-" * 60
    lines = ["one", "", rule, "", "two", "three", "four", "five", "six"]
    hunks = ["@@ -1,4 +1,5 @@", "one", "+new", "", rule, ""]
    hunks += ["@@ -6,2 +7,3 @@", "three", "+newer", "four"]
    other = lamp(["eins", *lines[1:]])
    assert "which has no line 'one'" in refused(mail([*NAMES, *hunks]), other)
    assert taken(mail([*NAMES, *hunks]), lamp(lines))["mm/lamp.c"].startswith("one\nnew\n\n---")


LONG = "/* Lamps in the hall tell those in the attic, and those in the cellar tell nobody. */"
FIRST, REST = LONG[: LONG.index(" cellar")], LONG[LONG.index("cellar") :]


def test_a_wrapped_line_that_the_tree_has_is_not_missing() -> None:
    hunk = ["@@ -1,3 +1,4 @@", f" {FIRST}", REST, "+\tlamp();", f" {CODE[0]}", " \tnowhere();"]
    assert "has no line 'nowhere();'" in refused(mail([*NAMES, *hunk]), lamp([LONG, *CODE]))


def test_a_backslash_that_was_wrapped_is_not_the_sign_of_a_missing_line_end() -> None:
    """It is the end of the line above it: the tree has both as one."""
    old = ["lamps := " + "lamp.o " * 9 + "\\", "\tattic.o", "end"]
    hunk = ["@@ -1,3 +1,4 @@", f" {old[0][:-2]}", "\\", f" {old[1]}", "+\thall.o", " end"]
    made = taken(mail([*NAMES, *hunk]), lamp(old))
    assert made == lamp([*old[:2], "\thall.o", "end"])


def test_the_rest_of_an_added_line_is_not_missing() -> None:
    hunk = ["@@ -1,3 +1,4 @@", f" {CODE[0]}", f"+{FIRST}", REST, f" {CODE[1]}"]
    said = refused(mail([*NAMES, *hunk, " \tnowhere();"]), lamp(CODE[:2]))
    assert "has no line 'nowhere();'" in said or "--fuzz 1" in said


def test_an_empty_line_that_is_added_is_no_footer_in_reverse() -> None:
    """A part of what the hunk adds is there: that is not the hunk."""
    added = ["\tlamp();", "", "\tlamps();"]
    hunk = ["@@ -1,2 +1,4 @@", CODE[0].strip(), *(f"+{line}" for line in added), "nowhere();"]
    said = refused(mail([*NAMES, *hunk]), lamp([CODE[0], "\tlamp();", "\tother();"]))
    assert "already" not in said


@pytest.mark.parametrize("added", ["\tlamps_of_the_hall_and_of_the_attic(lamp);", "\tx = 1;", ""])
def test_context_that_a_tree_lacks_is_not_joined_to_an_added_line(added: str) -> None:
    lost = "lamps_in_the_cellar_are_dark_and_nobody_has_ever_told(lamp);"
    hunk = ["@@ -1,5 +1,6 @@", *(line.strip() for line in CODE[:3]), f"+{added}", lost]
    hunk += [CODE[3].strip()]
    assert f"has no line '{lost[:60]}'" in refused(mail([*NAMES, *hunk]), lamp([*CODE[:4], ""]))


# --- what was wrapped, and what is below a hunk

HEAD_OF_C = "static int lamp_set_of_the_hall(struct lamp *lamp, unsigned int level)"
WIDE = "/*" + " lamps" * 16 + " */"  # wider than any line that a mailer wraps


def in_function(*, wide: str = WIDE) -> list[str]:
    return [HEAD_OF_C, "{", wide, *CODE]


def spilled(*body: str) -> list[str]:
    """Return a hunk without the blanks of its context, with the end of its header below it."""
    begin, end = HEAD_OF_C[:-20], HEAD_OF_C[-19:]
    return [*NAMES, f"@@ -3,4 +3,5 @@ {begin}", end, *(line.strip() for line in body)]


def test_the_tree_shows_that_a_line_is_the_end_of_a_header() -> None:
    """However wide the mail's other lines are, or however many lines are there without it."""
    tree = in_function()
    for hunk in (
        spilled(*tree[2:4], "+lamp();", *tree[4:6]),
        spilled("", *tree[3:4], "+lamp();", *tree[4:6]),
    ):
        made = taken(mail(hunk), lamp(tree if WIDE in hunk else in_function(wide="")))["mm/lamp.c"]
        assert made.split("\n")[3:6] == [CODE[0], "\tlamp();", CODE[1]]


def test_the_end_of_a_header_is_not_what_a_tree_lacks() -> None:
    hunk = spilled(WIDE, CODE[0], "+lamp();", "nowhere();", CODE[1])
    assert "has no line 'nowhere();'" in refused(mail(hunk), lamp(in_function()))


def test_a_new_file_has_no_context() -> None:
    """A line without a sign is the end of the one above it, whatever that ends with."""
    whole = "x = of_the_lamps_in_the_hall_and_in_the_attic_and_in_the_cellar; y = 2;"
    begin, end = whole[:-7], whole[-6:]
    head = ["--- /dev/null", "+++ b/mm/new.c", "@@ -0,0 +1,2 @@"]
    made = taken(mail([*head, f"+{begin}", end, "+z = 3;"]), {})
    assert made["mm/new.c"] == f"{whole}\nz = 3;\n"


def test_a_place_that_needs_no_repair_is_right() -> None:
    """The header says where the hunk would fit if an empty line had got lost."""
    tree = [*CODE[:4], "", *CODE[4:9], "", *CODE[9:]]
    body = [*(line.strip() for line in CODE[4:6]), "+lamp();", *(x.strip() for x in CODE[6:9]), ""]
    first = ["@@ -1,2 +1,3 @@", CODE[0].strip(), "+first();", CODE[1].strip()]
    hunk = [*first, "@@ -5,6 +6,7 @@", *body, "@@ -12 +14,2 @@", CODE[9].strip(), "+last();"]
    patch = take(mail([*NAMES, *hunk]), lamp(tree))
    assert "EATEN" not in {repair.kind.name for repair in patch.repairs}
    at = taken(mail([*NAMES, *hunk]), lamp(tree))["mm/lamp.c"].split("\n").index("\tlamp();")
    assert at == 1 + tree.index(CODE[6])


@pytest.mark.parametrize("sign", [" ", ""])
def test_a_page_may_go_on_directly_below_the_last_line_of_context(sign: str) -> None:
    """That line is in the tree as it is, so nothing was wrapped off it."""
    body = [f"{sign}{line.strip()}" for line in CODE[3:6]]
    below = [f"{sign}{line.strip()}" for line in CODE[6:9]]
    hunk = [*NAMES, "@@ -2,6 +2,7 @@", *body, "+lamp();", *below]
    made = taken(mail([*hunk, "Last update: 2008"]), lamp(CODE))["mm/lamp.c"]
    assert made.split() == text([*CODE[:6], "lamp();", *CODE[6:]]).split()
    # What is below an added line may be its end.
    added = [*NAMES, "@@ -20,3 +20,4 @@", *(f"{sign}{x.strip()}" for x in CODE[-3:]), "+lamp();"]
    assert "unexpected line" in refused(mail([*added, "Last update: 2008"]), lamp(CODE))


# --- which reading is right


@pytest.mark.parametrize("odd", ["&#32;", "a &lt; b", "a=3D b", "=20", "a\u00a0b"])
@pytest.mark.parametrize("context", [True, False])
def test_the_index_line_shows_that_nothing_was_encoded(odd: str, context: bool) -> None:
    old = text([CODE[0], odd if context else CODE[1], *CODE[2:]])
    new = text([CODE[0], "\tlamp();" if context else odd, *old.splitlines()[1:]])
    before, after = old.splitlines(), new.splitlines()
    hunk = ["@@ -1,3 +1,4 @@", f" {before[0]}", f"+{after[1]}", *(f" {x}" for x in before[1:3])]
    assert taken(mail(indexed(hunk, old, new)), {"mm/lamp.c": old}) == {"mm/lamp.c": new}


def test_an_answer_may_quote_that_a_patch_is_binary() -> None:
    head = f"{HEAD}Message-Id: <2@example.org>\n"
    answer = f"{head}Subject: Re: [PATCH] make lamps tell\n\n> GIT binary patch\n> x\n\nWhy?\n"
    patch = mail([*NAMES, "@@ -1,2 +1,3 @@", f" {CODE[0]}", "+\tlamp();", f" {CODE[1]}"]).decode()
    both = "".join(f"From a@b Mon Jan 14 20:02:23 2008\n{one}\n" for one in (patch, answer))
    assert taken(both.encode(), lamp(CODE))["mm/lamp.c"].split()[1] == "lamp();"
    alone = f"{HEAD}{TITLE}\n> diff --git a/x b/x\n> GIT binary patch\n> x\n"
    assert "a binary diff" in refused(alone.encode(), {})


STAT = [" mm/lamp.c |    1 +", " 1 file changed, 1 insertion(+)"]


@pytest.mark.parametrize("ends", [["Signed-off-by: Ada <ada@example.org>"], []])
def test_a_diffstat_in_the_message_of_a_commit_stays(ends: list[str]) -> None:
    hunk = [*NAMES, "@@ -1,2 +1,3 @@", f" {CODE[0]}", "+\tlamp();", f" {CODE[1]}"]
    message = ["make lamps tell", "", "Lamps are dark.", *STAT, *ends]
    head = [
        f"commit {'1' * 40}",
        "Author: Ada <ada@example.org>",
        "Date:   Tue Jan 15 10:00:29 2008",
    ]
    log = [
        *head,
        "",
        *(f"    {line}" for line in message),
        "",
        "diff --git a/mm/lamp.c b/mm/lamp.c",
    ]
    data = take(text([*log, *hunk]).encode(), lamp(CODE)).data.decode()
    assert text(["Lamps are dark.", *STAT, *ends, "", "---"]) in data


def test_a_commit_that_a_message_shows_is_no_patch() -> None:
    shown = [f"commit {'1' * 40}", "Author:     Eve <eve@example.org>", "", "    other lamps", ""]
    message = text(["Repairs", "", *shown, "Signed-off-by: Ada <ada@example.org>"]).rstrip()
    hunk = [*NAMES, "@@ -1,2 +1,3 @@", f" {CODE[0]}", "+\tlamp();", f" {CODE[1]}"]
    patch = take(mail(hunk, message), lamp(CODE))
    assert patch.post.title == "make lamps tell"
    assert "From: Ada <ada@example.org>" in patch.data.decode()
    assert message in patch.data.decode()


def test_a_diffstat_with_text_below_it_is_of_the_message() -> None:
    diff = text([*NAMES, "@@ -1,2 +1,3 @@", f" {CODE[0]}", "+\tlamp();", f" {CODE[1]}"])
    signed = "Signed-off-by: Ada <ada@example.org>"
    for below, kept in (([*STAT, signed], [*STAT, signed]), ([signed, "", *STAT, ""], [signed])):
        whole = f"{HEAD}{TITLE}\n{text(['Lamps are dark.', *below])}{diff}"
        data = take(whole.encode(), lamp(CODE)).data.decode()
        assert text(["Lamps are dark.", *kept, "", "---"]) in data


def test_an_odd_blank_of_the_message_alone_is_its_own() -> None:
    old, new = text(CODE), text([CODE[0], "\tlamp();", *CODE[1:]])
    hunk = ["@@ -1,2 +1,3 @@", f" {CODE[0]}", "+\tlamp();", f" {CODE[1]}"]
    message = "Ada a \u00e9crit\u00a0: lamps are dark."
    data = mail(indexed(hunk, old, new), message)
    assert message.encode() in take(data, {"mm/lamp.c": old}).data


def test_an_archive_that_replaces_blanks_does_so_in_the_diff() -> None:
    """A diff that has blanks, and no odd one, shows that the message's is its own."""
    wordy = [f"\tlamp({n}, in, the, hall);" for n in range(6)]
    hunk = [*NAMES, "@@ -1,6 +1,7 @@", *(f" {x}" for x in wordy[:3]), "+\tlamps();"]
    hunk += [f" {x}" for x in wordy[3:]]
    message = "Ada a \u00e9crit\u00a0: lamps are dark."
    assert message.encode() in take(mail(hunk, message), lamp(wordy)).data
    odd = [line.replace(", the", ",\u00a0the") for line in hunk]
    plain = message.replace("\u00a0", " ")
    assert plain.encode() in take(mail(odd, message), lamp(wordy)).data
    few = [*NAMES, "@@ -1 +1,2 @@", f" {wordy[0]}", "+\tlamps();"]
    assert plain.encode() in take(mail(few, message), lamp(wordy)).data


def test_the_tree_shows_that_nothing_was_encoded() -> None:
    hunk = [*NAMES, "@@ -1,3 +1,2 @@", f" {CODE[0]}", "-a=3D b", f" {CODE[1]}"]
    tree = lamp([CODE[0], "a=3D b", *CODE[1:]])
    assert taken(mail(hunk), tree) == lamp(CODE)
    # A mail that has lost its header about that is decoded.
    assert taken(mail(hunk), lamp([CODE[0], "a= b", *CODE[1:]])) == lamp(CODE)


def test_a_new_file_that_is_there_is_known_by_its_digest() -> None:
    content = "a=3D b\n"
    head = ["diff --git a/mm/new.c b/mm/new.c", "new file mode 100644"]
    head += [f"index 0000000..{blob(content)}", "--- /dev/null", "+++ b/mm/new.c"]
    said = refused(mail([*head, "@@ -0,0 +1 @@", "+a=3D b"]), {"mm/new.c": content})
    assert "with the same lines already" in said


@pytest.mark.parametrize("date", ["", "\t2008-01-13 16:56:54 +0900", "\t1970-01-01 00:00:00 +0000"])
def test_a_file_that_loses_its_lines_stays_unless_its_date_says_otherwise(date: str) -> None:
    names = [f"--- linux.orig/mm/lamp.c{date and chr(9)}2008-01-13 16:56:54 +0900"]
    names += [f"+++ linux/mm/lamp.c{date}"]
    data = mail([*names, "@@ -1 +0,0 @@", f"-{CODE[0]}"])
    assert taken(data, lamp(CODE[:1])) == ({} if "1970" in date else {"mm/lamp.c": ""})
