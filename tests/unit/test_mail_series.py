"""Mails restored to a series: their order, the tree after each patch, and the notes on them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from memnotify.commands import CommandLog
from memnotify.errors import InputError
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.restore_series import (
    Imported,
    ImportedSeries,
    import_in_order,
    import_mails,
    number_of,
)
from memnotify.series.apply import FileState
from memnotify.series.quilt import Patch

from tests.support.restored import NUMBERED, after, mail_of, refusal, repairs

FILES = {"mm/a.c": NUMBERED, "mm/b.c": "int b;\n"}


def change(number: int, text: str, moved: int = 0) -> list[str]:
    """Return a diff that puts a line before a numbered one."""
    return [
        *("--- a/mm/a.c", "+++ b/mm/a.c", f"@@ -{number},2 +{number + moved},3 @@"),
        *(f" \tline({number - 1});", f"+\t{text};", f" \tline({number});"),
    ]


def creates(name: str, *lines: str) -> list[str]:
    head = ["--- /dev/null", f"+++ b/{name}", f"@@ -0,0 +1,{len(lines)} @@"]
    return [*head, *(f"+{line}" for line in lines)]


def post(subject: str, *lines: str) -> bytes:
    return mail_of("Text.", "---", *lines, subject=subject)


def read(name: str) -> FileState | None:
    return FileState(FILES[name].encode(), 0o644) if name in FILES else None


def series(*mails: bytes, beside: tuple[Patch, ...] = ()) -> ImportedSeries:
    found = [each for at, mail in enumerate(mails, 1) for each in mails_of(mail, Path(f"m{at}"))]
    return import_mails(found, read, beside=beside)


def names(imported: ImportedSeries) -> list[str]:
    return [patch.name for patch in imported.patches]


ONE, TWO = (
    post("[PATCH 1/2] one", *change(5, "one()")),
    post("[PATCH 2/2] two", *change(6, "two()")),
)


@pytest.mark.parametrize("mails", [(ONE, TWO), (TWO, ONE)])
def test_a_patch_is_restored_on_top_of_those_before(mails: tuple[bytes, ...]) -> None:
    found = series(*mails)
    assert names(found) == ["0001-one.patch", "0002-two.patch"]
    assert found.said == ()
    one, two = (patch for patch in found.patches if isinstance(patch, Imported))
    assert [(each.post.number, each.post.title) for each in (one, two)] == [(1, "one"), (2, "two")]
    text = NUMBERED.replace("\tline(5);", "\tone();\n\tline(5);")
    assert after(one) == {"mm/a.c": text}
    assert repairs(one) == []
    assert after(two) == {"mm/a.c": text.replace("\tline(6);", "\ttwo();\n\tline(6);")}
    assert repairs(two) == [("MOVED", "mm/a.c", 5, "+1 lines", True)]


def test_a_patch_without_a_number_comes_after_the_others() -> None:
    found = series(post("more", *change(20, "more()")), TWO, ONE)
    assert names(found) == ["0001-one.patch", "0002-two.patch", "0003-more.patch"]
    assert found.said == ("m1: “more” has no n/m in its subject: after the others",)


QUOTED_BINARY = "> Binary files a/x and b/x differ"


def test_an_answer_to_what_cannot_be_restored_is_left_out() -> None:
    found = series(ONE, post("Re: [PATCH 1/2] one", QUOTED_BINARY), TWO)
    assert names(found) == ["0001-one.patch", "0002-two.patch"]
    assert found.said == ("no diff in “Re: [PATCH 1/2] one” (m2): left out",)
    own = post("Re: [PATCH 1/2] one", QUOTED_BINARY, "diff --git a/x b/x")
    for third in (own, post("[PATCH 0/2] none", QUOTED_BINARY)):
        with pytest.raises(InputError, match=r"^m3:7: a binary diff \("):
            series(ONE, TWO, third)


def test_mails_without_a_diff_are_named_up_to_the_third() -> None:
    three = [post(subject, "See below.") for subject in ("a", "", "c")]
    said = "no diff in “a” (m2), “no subject” (m3), “c” (m4)"
    one = post("[PATCH] one", *change(5, "one()"))
    assert series(one, *three).said == (f"{said}: left out",)
    assert series(one, *three, three[0]).said == (f"{said} and 1 more: left out",)
    assert series(one, *three, three[0], three[0]).said == (f"{said} and 2 more: left out",)
    with pytest.raises(InputError) as caught:
        series(*three)
    assert str(caught.value) == (
        "m1, m2, m3: it has no diff (a diff has lines that begin with ---, +++ and @@)"
    )


def headers(patch: Imported | Patch) -> list[str]:
    """Return the lines about the thread in the header of a patch."""
    assert isinstance(patch, Imported)
    lines = patch.data.decode().splitlines()
    return [line for line in lines if re.match("X-Memnotify-(Base|Newest)", line)]


@pytest.mark.parametrize(("newest", "first"), [("v1", []), ("v3", ["X-Memnotify-Newest: v3"])])
def test_what_a_cover_letter_states_is_written_into_the_first_patch(
    newest: str, first: list[str]
) -> None:
    commits = [digit * 40 for digit in "0123"]
    cover = mail_of("Text.", "", f"base-commit: {commits[0]}", subject="[PATCH 0/2] lamps")
    answer = mail_of(f"base-commit: {commits[3]}", subject="Re: [PATCH 0/2] lamps")
    later = mail_of("Text.", subject=f"[PATCH {newest} 0/2] lamps")
    two = post("[PATCH 2/2] two", *change(6, "two()"), "", "-- ", f"base-commit: {commits[2]}")
    found = series(ONE, two, cover, answer, *([later] if first else []))
    assert headers(found.patches[0]) == [f"X-Memnotify-Base-Commit: {commits[0]}", *first]
    assert headers(found.patches[1]) == [f"X-Memnotify-Base-Commit: {commits[2]}"]
    revisions = [line for line in found.said if "newest" in line]
    shown = "the newest revision is v3: “[PATCH v3 0/2] lamps”"
    assert revisions == ([shown] if first else [])
    assert [line for line in found.said if line.startswith("base-commit")] == [
        f"base-commit: {commits[0]} (the tree is not compared with it)",
        f"base-commit: {commits[2]} (the tree is not compared with it)",
    ]


def test_the_first_patch_keeps_what_it_states_itself() -> None:
    own, both = "prerequisite-patch-id: " + "1" * 40, f"base-commit: {'0' * 40}"
    cover = mail_of("Text.", "", both, subject="[PATCH 0/2] lamps")
    one = post("[PATCH 1/2] one", *change(5, "one()"), "", "-- ", own)
    (first, _) = series(one, TWO, cover).patches
    assert isinstance(first, Imported)
    lines = first.data.decode().splitlines()
    stated = [line for line in lines if re.match("X-Memnotify-(Base|Prerequisite)", line)]
    assert [line.split()[1] for line in stated] == ["1" * 40, "0" * 40]


def test_a_series_of_which_no_patch_is_in_the_series_file() -> None:
    found = [replace(mail, place=("series", -1)) for mail in mails_of(ONE, Path("m1"))]
    none = import_mails(found, read)
    assert none.patches == ()
    assert none.said == ("m1: “[PATCH 1/2] one” is not in the series file: left out",)


def test_a_patch_changes_the_file_that_one_before_made() -> None:
    more = ["--- a/mm/c.c", "+++ b/mm/c.c", "@@ -1 +1,2 @@", " int c;", "+int d;"]
    found = series(
        post("[PATCH 1/2] one", *creates("mm/c.c", "int c;")), post("[PATCH 2/2] two", *more)
    )
    _, two = (patch for patch in found.patches if isinstance(patch, Imported))
    assert after(two) == {"mm/c.c": "int c;\nint d;\n"}


GIT = "diff --git a/mm/b.c b/mm/c.c"
RENAMED = [GIT, "similarity index 100%", "rename from mm/b.c", "rename to mm/c.c"]
COPIED = [GIT, "similarity index 100%", "copy from mm/b.c", "copy to mm/c.c"]
CHANGED = ["--- a/mm/b.c", "+++ b/mm/b.c", "@@ -1 +1 @@", "-int b;", "+int d;"]


def test_a_file_that_was_renamed_is_gone_and_one_that_was_copied_is_not() -> None:
    two = post("[PATCH 2/2] two", *CHANGED)
    found = series(post("[PATCH 1/2] one", *COPIED), two)
    assert names(found) == ["0001-one.patch", "0002-two.patch"]
    said = refusal(post("[PATCH 1/2] one", *RENAMED), two, files=FILES)
    assert said.startswith("7: changes mm/b.c, which is not in the tree (")


def test_names_that_patches_have_made_impossible() -> None:
    file, below = creates("a", "x"), creates("a/b/c", "x")
    for first, second, what, name in (
        (file, below, "a is a file", "a/b/c"),
        (below, file, "a is a folder", "a"),
    ):
        mails = post("[PATCH 1/2] one", *first), post("[PATCH 2/2] two", *second)
        assert refusal(*mails, files={}) == (
            f"7: {what} since an earlier patch, so there can be no file {name} "
            "(one of the two names is wrong)"
        )


def test_mails_without_a_diff() -> None:
    with pytest.raises(InputError) as caught:
        series(mail_of("Text."), mail_of("More."))
    hint = "a diff has lines that begin with ---, +++ and @@"
    assert str(caught.value) == f"m1, m2: it has no diff ({hint})"
    with pytest.raises(InputError, match=r"^the mails: it has no diff \("):
        series()
    one = post("[PATCH] one", *change(5, "one()"))
    for count, said in (
        (1, "“c1” (m2): left out"),
        (3, "“c1” (m2), “c2” (m3), “c3” (m4): left out"),
        (5, "“c1” (m2), “c2” (m3), “c3” (m4) and 2 more: left out"),
    ):
        others = (mail_of("Text.", subject=f"c{at}") for at in range(1, count + 1))
        assert series(one, *others).said == (f"no diff in {said}",)
    assert series(one, mail_of("Text.", subject="")).said == (
        "no diff in “no subject” (m2): left out",
    )


def test_what_is_said_of_a_mail() -> None:
    stat = [" mm/a.c | 1 +", " mm/z.c | 2 ++", " 2 files changed, 3 insertions(+)", ""]
    found = series(post("[PATCH] one", *stat, *change(5, "one()")))
    said = "m1: the mail's diffstat names mm/z.c, for which it has no diff"
    assert found.said == (said,)
    found = series(post("[PATCH 1/2] one", *stat, *change(5, "one()")), TWO)
    assert found.said == (said,)


@pytest.mark.parametrize(
    ("head", "lines", "said"),
    [
        (
            "[PATCH] one",
            [" mm/a.c | 2 ++", " 1 file changed, 2 insertions(+)", ""],
            [("DISPUTED", False), ("DIFFSTAT", True)],
        ),
        ("[PATCH] one", [" mm/a.c |     1 +", " 1 file changed, 1 insertion(+)", ""], []),
        (
            "[PATCH] one",
            [" mm/b.c | 1 +", " 1 file changed, 1 insertion(+)", ""],
            [("DIFFSTAT", True)],
        ),
        ("Re: [PATCH] one", [], [("ANSWER", False)]),
    ],
)
def test_repairs_of_a_message(head: str, lines: list[str], said: list[tuple[str, bool]]) -> None:
    (patch,) = series(post(head, *lines, *change(5, "one()"))).patches
    assert isinstance(patch, Imported)
    assert [(kind, sure) for kind, *_, sure in repairs(patch)] == said


def test_addresses_that_an_archive_has_masked_are_said() -> None:
    mail = mail_of("Cc: lux@xxxxxxxxxxx", "---", *change(5, "one()"))
    (patch,) = series(mail.replace(b"ada@example.org", b"ada@xxxxxxxxxxx")).patches
    assert isinstance(patch, Imported)
    assert repairs(patch) == [
        ("MASKED", "", None, f"{name}@xxxxxxxxxxx", True) for name in ("ada", "lux")
    ]


def test_a_mail_without_a_sender_has_no_masked_address() -> None:
    mail = post("[PATCH] one", *change(5, "one()")).replace(b"From: Ada <ada@example.org>\n", b"")
    (patch,) = series(mail).patches
    assert isinstance(patch, Imported)
    assert repairs(patch) == []


def test_an_encoding_that_was_undone_is_said_and_one_that_may_be_none() -> None:
    head = b"From: Ada <ada@example.org>\nSubject: [PATCH] one\nContent-Transfer-Encoding: "
    text = "\n".join(["Text =3D.", "---", *change(5, "a = b"), ""])
    (patch,) = series(head + b"base64\n\n" + base64.encodebytes(text.encode())).patches
    assert isinstance(patch, Imported)
    assert repairs(patch) == [("DECODED", "", None, "base64", True)]
    assert "\nX-Memnotify-Repair: decoded (base64)\n" in patch.data.decode()
    assert "\n+\ta = b;\n" in patch.data.decode()
    (patch,) = series(head + b"quoted-printable\n\n" + text.encode()).patches
    assert isinstance(patch, Imported)
    assert repairs(patch) == [
        ("DECODED", "", None, "quoted-printable", True),
        ("UNSURE", "", None, "the text is not quoted-printable, as the mail states", False),
    ]


def beside(folder: Path, *patches: str) -> tuple[Patch, ...]:
    """Make a series of a folder, each of whose patches adds a line to mm/b.c."""
    made, text = [], "int b;\n"
    for at, name in enumerate(patches):
        count = text.count("\n")
        context = "".join(f" {line}\n" for line in text.splitlines())
        head = f"---\n--- a/mm/b.c\n+++ b/mm/b.c\n@@ -1,{count} +1,{count + 1} @@\n"
        (folder / name).write_text(f"A patch.\n{head}{context}+int b{at};\n")
        made.append(Patch(path=folder / name, sha256=""))
        text += f"int b{at};\n"
    return tuple(made)


def test_mails_take_the_places_of_patches_with_their_numbers(tmp_path: Path) -> None:
    old = beside(tmp_path, "0001-a.patch", "0003-c.patch", "last.patch", "0005-e.patch")
    mails = [post(f"[PATCH {n}/6] m{n}", *change(2 * n, f"m{n}()")) for n in (6, 2, 3)]
    assert names(series(*mails, beside=(old[0],))) == [
        *("0001-a.patch", "0002-m2.patch", "0003-m3.patch", "0006-m6.patch")
    ]
    found = series(*mails[:2], beside=(old[0], old[1]))
    assert names(found) == ["0001-a.patch", "0002-m2.patch", "0003-c.patch", "0006-m6.patch"]
    assert found.said == ("missing: 4/6, 5/6",)
    replaced = Patch(path=tmp_path / "0002-b.patch", sha256="")
    other = (replaced, *beside(tmp_path, "last.patch"))
    assert names(series(mails[1], beside=other)) == ["0002-m2.patch", "last.patch"]
    other = beside(tmp_path, "0001-a.patch", "last.patch", "0005-e.patch")
    assert names(series(*mails, beside=other)) == [
        *("0001-a.patch", "last.patch", "0002-m2.patch", "0003-m3.patch", "0005-e.patch"),
        "0006-m6.patch",
    ]


def test_the_programs_that_make_a_series_are_logged(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    terms = ["", "-- ", f"base-commit: {'0' * 40}", f"prerequisite-patch-id: {'1' * 40}"]
    mails = mails_of(post("[PATCH 1/2] one", *change(5, "one()"), *terms), Path("m"))
    import_mails(mails, read, beside=beside(tmp_path, "0002-b.patch"), log=log)
    assert log.path is not None
    argv = [json.loads(line)["argv"] for line in log.path.read_text().splitlines()]
    assert [words[:2] for words in argv] == [
        ["git", "apply"],
        ["patch", "-p1"],
        ["git", "patch-id"],
    ]
    # A date of an odd form is read with git.
    odd = post("[PATCH] one", *change(5, "one()")).replace(b"Tue, 15 Jan 2008", b"2008-01-15")
    import_in_order(mails_of(odd, Path("m")), read, log=log)
    argv = [json.loads(line)["argv"] for line in log.path.read_text().splitlines()[3:]]
    assert [words[:2] for words in argv] == [["git", "apply"], ["git", "var"]]


def test_the_work_is_limited_for_a_series_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for steps, fits in ((10_000, True), (20, False)):
        monkeypatch.setattr(Effort, "of", lambda mails, left=steps: Effort(left))
        if fits:
            assert len(series(ONE, TWO).patches) == 2
        else:
            with pytest.raises(InputError, match="it can be read in too many ways"):
                series(ONE, TWO)


def test_the_program_that_indents_lines_is_logged(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    bare = [line.replace("\t", "") for line in change(5, "one()")]
    import_mails(mails_of(post("[PATCH] one", *bare), Path("m")), read, log=log)
    assert log.path is not None
    argv = [json.loads(line)["argv"] for line in log.path.read_text().splitlines()]
    assert [Path(words[0]).name for words in argv] == ["clang-format", "git"]


def test_a_mail_that_replaces_has_a_number(tmp_path: Path) -> None:
    old = beside(tmp_path, "0001-a.patch", "1-b.patch")
    with pytest.raises(InputError) as caught:
        series(post("[PATCH] one", *change(5, "one()")), beside=old)
    assert str(caught.value) == (
        "m1: “[PATCH] one” has no n/m in its subject (with --replace a mail takes the place of the "
        "patch that has its number)"
    )
    with pytest.raises(InputError) as caught:
        series(ONE, beside=old)
    assert str(caught.value) == (
        f"{tmp_path}/series: 0001-a.patch and 1-b.patch have the number 1 both, and “[PATCH 1/2] "
        "one” can take the place of one only (rename or remove one of them)"
    )


@pytest.mark.parametrize(
    ("name", "number"),
    [("0012-a.patch", 12), ("a-1.patch", None), ("123456.patch", 123456), ("1234567", 123456)],
)
def test_the_number_of_a_patch(name: str, number: int | None) -> None:
    assert number_of(Patch(path=Path(name), sha256="")) == number


def test_one_of_two_revisions_is_chosen() -> None:
    mails = [
        *mails_of(post("[PATCH 1/1] one", *change(5, "one()")), Path("m1")),
        *mails_of(post("[PATCH v2 1/1] two", *change(5, "two()")), Path("m2")),
    ]
    for revision, name in ((1, "0001-one.patch"), (2, "0001-two.patch")):
        assert names(import_mails(mails, read, revision=revision)) == [name]
    # A cover letter may state it.
    cover = mail_of("Text.", subject="[PATCH v2 0/1] lamps")
    mails = [mails[0], *mails_of(cover, Path("m0"))]
    assert names(import_mails(mails, read, revision=2)) == ["0001-one.patch"]


@pytest.mark.parametrize("restore", [import_in_order, import_mails])
def test_questions_are_asked_about_the_patches_of_a_series(
    restore: Callable[..., ImportedSeries],
) -> None:
    files = {"mm/a.c": FileState(b"a();\nb();\n" * 9, 0o644)}
    hunk = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -90,2 +90,3 @@", " a();", "+x();", " b();"]
    mails = mails_of(post("[PATCH] one", *hunk), Path("m1"))
    (patch,) = restore(mails, files.get, choose=lambda question: 2).patches
    assert isinstance(patch, Imported)
    assert after(patch)["mm/a.c"].splitlines().index("x();") == 5


def test_a_mail_is_read_as_it_states_where_only_that_fits_the_tree() -> None:
    lines = change(5, "one()")
    (stated,) = mails_of(post("[PATCH] one", *lines), Path("m1"))
    other = [line.replace("line", "other") for line in lines]
    (decoded,) = mails_of(post("[PATCH] one", *other), Path("m1"))
    (patch,) = import_mails([replace(decoded, stated=stated)], read).patches
    assert isinstance(patch, Imported)
    assert "\n \tline(5);\n" in patch.data.decode()


def test_mails_in_a_known_order() -> None:
    answer = post("Re: [PATCH 2/2] two", *change(6, "two()"))
    mails = [*mails_of(answer, Path("m2")), *mails_of(ONE, Path("m1"))]
    found = import_in_order(mails, read)
    assert (names(found), found.said) == (["0001-two.patch", "0002-one.patch"], ())
    assert isinstance(found.patches[0], Imported)
    assert repairs(found.patches[0]) == []
    with pytest.raises(InputError, match=r"^m3:7: a binary diff \("):
        binary = post("[PATCH] three", "Binary files a/x and b/x differ")
        import_in_order(mails_of(binary, Path("m3")), read)
    with pytest.raises(InputError, match=r"^m3: “cover” has no diff$"):
        import_in_order([*mails, *mails_of(mail_of("Text.", subject="cover"), Path("m3"))], read)


@pytest.mark.parametrize("restore", [import_in_order, import_mails])
def test_only_as_many_lines_may_be_missing_as_asked_for(
    restore: Callable[..., ImportedSeries],
) -> None:
    fuzzy = change(5, "one()")
    fuzzy[2:3] = ["@@ -4,3 +4,4 @@", " \tother();"]
    mails = mails_of(post("[PATCH] fuzzy", *fuzzy), Path("m"))
    with pytest.raises(InputError, match="--fuzz 1"):
        restore(mails, read)
    assert names(restore(mails, read, fuzz=1)) == ["0001-fuzzy.patch"]
