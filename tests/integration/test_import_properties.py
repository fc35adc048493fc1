"""What an import must never get wrong, tried with edits of awkward files that hypothesis makes.

A result is wrong if it is not this:

- of an undamaged mail, in whatever form, the bytes that `git apply` makes of the patch;
- of a damaged mail, the words and signs of the original, in the original's place;
- of both, the original's author, date, title and message.

An undamaged mail is never refused; a damaged one may be, for a reason that is true. A tree that has
the patch is always refused. `tests/support/verdicts.py` judges that.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from memnotify.series.apply import FileState

from tests.support.history import Files, Original, Reader, UnusableError, git_apply
from tests.support.made_history import original_of
from tests.support.mail_forms import DAMAGES, FORMS, make
from tests.support.verdicts import Case, Judgement, Tree, Verdict

CODE = (
    *("int level(void)", "{", "}", "", "\tint told = 0;", "\tif (told)", "\t\treturn told;"),
    *("\treturn 0;", "/* Lamps. */", " * Lamps tell.", "#define LAMP\t1", "#define LAMPS  (LAMP)"),
    *('\tsay("dark");', "\tx = a < b && c > d;", "else", "\t} else {", "static int a, b;"),
)
# Lines that look like those of diffs, mails and archives, and those that these change.
AWKWARD = (
    *("-- ", "--", "---", "- x", "+ x", "++ b", "+++ b/mm/x.c", "--- a/mm/x.c", "@@ -1,2 +1,2 @@"),
    *("diff --git a/mm/x.c b/mm/x.c", "Index: mm/x.c", "=" * 67, "_" * 47, "_", "===", "***"),
    *("From here on", ">From here", "> quoted", "| table |", "Only in a: b", "\\ sign", "\\"),
    *("\\ No newline at end of file", "Binary files a and b differ", "commit " + "0123456789" * 4),
    *("Subject: lamps", "From: Eve <eve@example.org>", "Signed-off-by: Eve <eve@example.org>"),
    *("a=3D b", "=20", "=", "x == y", "&lt;p&gt;", "<b>", "a && b", "&amp;", "&#32;"),
    *("caf\u00e9", "\u3000x", "a\u00a0b", "\u201cx\u201d", "?", "??", "ends ", "ends\t", "\t", " "),
    *("        eight", "   three", " \tmixed", "a  b", '"a  b"', "x" * 90, "word " * 30 + "end"),
    *("rename from a", "new file mode 100644", "index 1234567..89abcde 100644", "GIT binary patch"),
    *(
        "-----BEGIN PGP SIGNED MESSAGE-----",
        "- -- ",
        "To unsubscribe from this list: send",
        "To: x",
    ),
)
lines = st.lists(st.sampled_from(CODE) | st.sampled_from(AWKWARD), min_size=1, max_size=24)
names = st.sampled_from(("mm/lamp.c", "include/lamp.h", "Documentation/lamp.txt", "mm/Makefile"))


@st.composite
def edits(draw: st.DrawFn) -> Original:
    """Draw a patch of one or two files: some lines removed, replaced or inserted; or a new file."""
    before: dict[str, bytes | None] = {}
    after: dict[str, bytes | None] = {}
    for name in draw(st.sets(names, min_size=1, max_size=2)):
        old = draw(lines)
        new = list(old)
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(new)))
            gone = draw(st.integers(0, 2))
            new[at : at + gone] = draw(st.lists(st.sampled_from(CODE + AWKWARD), max_size=3))
        ends = draw(st.sampled_from(("\n", "\n", "\n", "")))
        before[name] = ("\n".join(old) + "\n").encode()
        after[name] = ("\n".join(new) + ends).encode() if new else b""
        if draw(st.integers(0, 9)) == 0:
            before[name] = None
    assume(before != after)
    try:
        original = original_of(before, after)
    except UnusableError:
        assume(False)
    assume(any(line.startswith("@@ ") for line in original.lines))
    assume(git_apply(original.diff, original.before) == original.after)
    return original


def reader(files: Files) -> Reader:
    def read(name: str) -> FileState | None:
        return files.get(name)

    return read


def judge(original: Original, kind: str, seed: int, tree: Tree = Tree.PARENT) -> Judgement | None:
    made = make(original, kind, random.Random(seed))
    if made is None:
        return None
    files, wanted = original.before, original.after
    if tree is Tree.COMMIT:
        files, wanted = original.after, {}
    return Case(
        made=made,
        original=original,
        tree=tree,
        read=reader(files),
        before=files,
        wanted=wanted or None,
    ).judge()


@pytest.mark.parametrize("form", list(FORMS))
@settings(max_examples=10)
@given(original=edits(), seed=st.integers(0, 2**16))
def test_an_undamaged_mail_gives_the_bytes_of_git_apply(
    form: str, original: Original, seed: int
) -> None:
    found = judge(original, form, seed)
    assume(found is not None)
    assert found is not None
    assert found.verdict is Verdict.BYTES, found.detail


@settings(max_examples=60)
@given(original=edits(), kind=st.sampled_from(list(DAMAGES)), seed=st.integers(0, 2**16))
def test_a_damaged_mail_gives_the_original_or_is_refused_for_a_true_reason(
    original: Original, kind: str, seed: int
) -> None:
    # Without git's header nothing shows that code has odd blanks: in C they are the archive's.
    assume(kind != "header_style" or all(line.isascii() for line in original.lines))
    found = judge(original, kind, seed)
    assume(found is not None)
    assert found is not None
    event(f"{kind}: {found.verdict}")
    assert not found.verdict.failed, found.detail


@settings(max_examples=40)
@given(original=edits(), kind=st.sampled_from([*FORMS, *DAMAGES]), seed=st.integers(0, 2**16))
def test_a_tree_that_has_the_patch_is_refused(original: Original, kind: str, seed: int) -> None:
    # What git takes a second time, such as one more of several equal lines, cannot be told.
    assume(git_apply(original.diff, original.after) is None)
    found = judge(original, kind, seed, Tree.COMMIT)
    assume(found is not None)
    assert found is not None
    assert not found.verdict.failed, found.detail
