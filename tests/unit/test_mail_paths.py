"""Which files of the tree the names of diffs are, and which names are refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.budget import Effort, TooMuchError
from memnotify.mailpatch.changes import OpenFile
from memnotify.mailpatch.git_index import digest_of
from memnotify.mailpatch.paths import Opener
from memnotify.mailpatch.raw import NULL, Line, RawDiff, RawHunk
from memnotify.series.apply import FileState

OUT = "leads out of the tree (a patch names files below the top of the tree)"
BASE = "is this the base that the patch is for?"


def diff(
    before: str,
    after: str,
    *body: str,
    old: tuple[int, int] = (1, 1),
    new: tuple[int, int] = (1, 1),
    line: int = 7,
) -> RawDiff:
    """Return a diff of one hunk; its header has `old` and `new`, each a start and a count."""
    hunk = RawHunk(
        line=line + 2,
        old_start=old[0],
        old_count=old[1],
        new_start=new[0],
        new_count=new[1],
        section="",
        body=tuple(Line(number=line + 3 + at, text=text) for at, text in enumerate(body)),
        last=True,
    )
    return RawDiff(line=line, before=before, after=after, extended=(), hunks=(hunk,))


def git(before: str, after: str, *extended: str) -> RawDiff:
    return RawDiff(line=7, before=before, after=after, extended=extended, hunks=(), git=True)


@dataclass
class Tree:
    """A tree of a few files, which remembers the names that were looked for."""

    files: dict[str, str]
    asked: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> FileState | None:
        self.asked.append(name)
        if name.startswith("bad/"):
            raise InputError(f"{name} is no name", hint="take another")
        if name.startswith("loop/"):
            raise OSError("too many links")
        return FileState(self.files[name].encode(), 0o644) if name in self.files else None


def error(line: int, message: str, hint: str | None) -> InputError:
    return InputError(message, file="mail", line=line, hint=hint)


def opener(files: Iterable[str] | dict[str, str], steps: int = 10_000) -> Opener:
    known = files if isinstance(files, dict) else dict.fromkeys(files, "x\n")
    return Opener(Tree(known), Effort(steps), error)


def names(files: list[OpenFile]) -> list[tuple[str | None, str | None]]:
    return [(file.before, file.after) for file in files]


def opened(files: Iterable[str], *pairs: tuple[str, str]) -> list[tuple[str | None, str | None]]:
    return names(opener(files).open([diff(*pair) for pair in pairs]))


def refused(files: Iterable[str] | dict[str, str], *diffs: RawDiff) -> str:
    with pytest.raises(InputError) as caught:
        opener(files).open(diffs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("files", "pair"),
    [
        (["mm/a.c"], ("a/mm/a.c", "b/mm/a.c")),
        (["mm/a.c"], ("mm/a.c", "mm/a.c")),
        (["mm/a.c"], ("linux-2.6.24/mm/a.c", "linux-2.6.24-new/mm/a.c")),
        (["mm/a.c"], ("/home/ada/linux/mm/a.c", "/home/ada/linux-lamps/mm/a.c")),
        (["mm/a.c"], ("../linux/mm/a.c", "../lamps/mm/a.c")),
        (["mm/a.c"], ("one/two/three/mm/a.c", "one/two/three/mm/a.c")),
        (["mm/a.c"], ("mm/a.c.orig", "mm/a.c")),
        (["mm/a.c"], ("old/x/mm/a.c", "mm/a.c")),
        (["lamps/a.c"], ("x/lamps/a.c", "y/lamps/a.c")),
        (["mm/a.c"], ("a/mm/a.c", "a/mm/a.c.new")),
        (["lamps/a.c"], ("x/y/lamps/a.c", "x/y/lamps/a.c")),
        (["lamps/a.c"], ("/home/ada/lamps/a.c", "/home/ada/lamps/a.c")),
        # Names that cannot be read lead to no file.
        (["mm/a.c"], ("bad/mm/a.c", "bad/mm/a.c")),
        (["mm/a.c"], ("loop/mm/a.c", "loop/mm/a.c")),
        (["Makefile", "mm/a.c"], ("a/Makefile", "b/Makefile")),
        (["Makefile"], ("Makefile", "Makefile")),
        (["Makefile"], ("up/linux-2.6/Makefile", "up/linux-2.6.new/Makefile")),
    ],
)
def test_names_are_found_below_what_is_before_them(files: list[str], pair: tuple[str, str]) -> None:
    assert opened(files, pair) == [(files[0], files[0])]


def test_the_first_folder_is_stripped_unless_more_names_fit_without_it() -> None:
    both = ["mm/a.c", "a/mm/a.c"]
    assert opened(both, ("a/mm/a.c", "b/mm/a.c")) == [("mm/a.c", "mm/a.c")]
    # One name of two fits it: the other diff gets its own.
    pairs = ("x/mm/a.c", "x/mm/a.c"), ("x/mm/b.c", "x/mm/b.c"), ("mm/c.c.orig", "mm/c.c")
    files = ["mm/a.c", "mm/b.c", "mm/c.c"]
    assert opened(files, *pairs) == [(name, name) for name in files]


@pytest.mark.parametrize(
    ("pair", "own"),
    [
        (("mm/c.c", "mm/c.c.new"), "mm/c.c"),
        (("bad/mm/c.c", "bad/mm/c.c.new"), "mm/c.c"),
        (("loop/mm/c.c", "loop/mm/c.c.new"), "mm/c.c"),
        (("one/two/mm/c.c", "one/other/mm/c.c"), "mm/c.c"),
        (("x/Makefile", "y/Makefile"), "Makefile"),
    ],
)
def test_one_diff_may_have_more_or_less_before_its_names(pair: tuple[str, str], own: str) -> None:
    others = [("a/mm/a.c", "b/mm/a.c"), ("bad/mm/b.c", "bad/mm/b.c"), ("x/mm/d.c", "x/mm/d.c")]
    files = ["mm/a.c", "mm/b.c", "mm/c.c", "mm/d.c", "Makefile", "x/Makefile"]
    assert opened(files, *others, pair)[-1] == (own, own)


def test_names_too_short_to_be_stripped_do_not_end_the_search() -> None:
    files = ["Makefile", "mm/a.c", "mm/b.c"]
    pairs = ("Makefile.orig", "Makefile"), ("x/mm/a.c", "x/mm/a.c"), ("x/mm/b.c", "x/mm/b.c")
    assert opened(files, *pairs) == [(name, name) for name in files]


@pytest.mark.parametrize(
    ("pair", "name"),
    [
        (("a/lamps/mm/b.c", "b/lamps/mm/b.c"), "lamps/mm/b.c"),
        (("a/more/Makefile", "b/more/Makefile"), "more/Makefile"),
        (("x/more/Makefile", "y/more/Makefile"), "more/Makefile"),
    ],
)
def test_a_file_that_the_tree_lacks_is_not_one_of_another_folder(
    pair: tuple[str, str], name: str
) -> None:
    others = diff("a/mm/a.c", "b/mm/a.c")
    said = refused(["Makefile", "mm/a.c", "mm/b.c"], others, diff(*pair, line=20))
    assert said == f"mail:20: changes {name}, which is not in the tree ({BASE})"


def test_a_file_at_the_top_is_not_one_of_a_folder_that_the_tree_lacks() -> None:
    said = refused(["Makefile"], diff("a/more/Makefile", "b/more/Makefile"))
    assert said == f"mail:7: changes more/Makefile, which is not in the tree ({BASE})"


@pytest.mark.parametrize("name", ["/home/ada/mm/a.c", "../../mm/a.c", "x/../../../mm/a.c"])
def test_nothing_outside_of_the_tree_is_looked_for(name: str) -> None:
    tree = Tree({"mm/a.c": "x\n"})
    assert names(Opener(tree, Effort(), error).open([diff(name, f"{name}.new")])) == [
        ("mm/a.c", "mm/a.c")
    ]
    assert not [asked for asked in tree.asked if asked.startswith("/") or ".." in asked]


@pytest.mark.parametrize("above", ["bad/", "loop/", "../", "/home/ada/", "x/../../"])
def test_one_diff_may_have_more_before_its_names_than_others_that_have_nothing(above: str) -> None:
    others = [diff(name, name, line=20) for name in ("mm/a.c", "mm/b.c")]
    tree = Tree(dict.fromkeys(["mm/a.c", "mm/b.c", "mm/c.c"], "x\n"))
    own = diff(f"{above}mm/c.c", f"{above}mm/c.c.new")
    found = names(Opener(tree, Effort(), error).open([*others, own]))
    assert found == [(name, name) for name in tree.files]
    assert not [asked for asked in tree.asked if asked.startswith("/") or ".." in asked]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (["one/two/mm/a.c"], ["mm/a.c"]),
        (["a/lamps/mm/a.c"], ["lamps/mm/a.c"]),
        (["b/lamps/mm/a.c"], ["lamps/mm/a.c"]),
        (["x/linux/lamps/mm/a.c"], ["mm/a.c"]),
        (["x/y/lib"], ["y/lib"]),  # lib is a file
        # Most of the names are below a folder of a kernel.
        (["mm/a.c", "fs/b.c", "x/mm/c.c"], ["mm/a.c", "fs/b.c", "x/mm/c.c"]),
        # What is below linux* is the tree, and else below the first folder.
        (["x/linux/mm/mm/a.c"], ["mm/mm/a.c"]),
        (["mm/linux/fs/a.c", "mm/x/fs/b.c"], ["fs/a.c", "fs/b.c"]),
        (["linux/mm/a.c", "x/linux/mm/b.c"], ["mm/a.c", "linux/mm/b.c"]),
        (["fs/fs/linux.c"], ["fs/linux.c"]),
    ],
)
def test_a_new_file_is_below_a_folder_of_a_kernel(made: list[str], found: list[str]) -> None:
    diffs = [diff(NULL, name, old=(0, 0)) for name in made]
    assert names(opener([]).open(diffs)) == [(None, name) for name in found]


def test_where_a_new_file_is_does_not_depend_on_a_file_that_there_is() -> None:
    diffs = [diff("old/mm/a.c", "new/mm/a.c"), diff(NULL, "new/lamps/mm/b.c", old=(0, 0))]
    found = names(opener(["mm/a.c", "mm/b.c"]).open(diffs))
    assert found == [("mm/a.c", "mm/a.c"), (None, "lamps/mm/b.c")]


def test_the_lines_of_a_file_are_those_of_the_tree() -> None:
    there, made = diff("a/mm/a.c", "b/mm/a.c"), diff(NULL, "b/mm/b.c", old=(0, 0))
    found = opener({"mm/a.c": "one\ntwo\n"}).open([there, made])
    assert [file.old.lines for file in found] == [("one", "two"), ()]


@pytest.mark.parametrize(
    ("old", "new", "dateless", "there", "found"),
    [
        ((0, 0), (1, 2), False, None, (None, "mm/a.c")),
        ((0, 0), (1, 2), False, "", ("mm/a.c", "mm/a.c")),
        ((1, 2), (0, 0), True, "x\n", ("mm/a.c", None)),
        ((1, 2), (0, 0), False, "x\n", ("mm/a.c", "mm/a.c")),
        ((1, 2), (1, 0), True, "x\n", ("mm/a.c", "mm/a.c")),
        ((1, 0), (1, 2), False, "x\n", ("mm/a.c", "mm/a.c")),
    ],
)
def test_the_counts_say_whether_a_file_is_made_or_deleted(
    old: tuple[int, int],
    new: tuple[int, int],
    dateless: bool,
    there: str | None,
    found: tuple[str | None, str | None],
) -> None:
    given = replace(diff("a/mm/a.c", "b/mm/a.c", old=old, new=new), dateless=dateless)
    files = {} if there is None else {"mm/a.c": there}
    assert names(opener(files).open([given])) == [found]


def test_a_header_of_git_says_whether_a_file_is_made_or_deleted() -> None:
    made = git("a/mm/a.c", "b/mm/a.c", "new file mode 100644")
    assert names(opener([]).open([made])) == [(None, "mm/a.c")]
    gone = git("a/mm/a.c", "b/mm/a.c", "index 1..0", "deleted file mode 100755")
    assert names(opener(["mm/a.c"]).open([gone])) == [("mm/a.c", None)]
    # The counts of its hunks say nothing then.
    first = replace(diff("a/mm/a.c", "b/mm/a.c", old=(0, 0)), git=True)
    assert names(opener({"mm/a.c": "x\n"}).open([first])) == [("mm/a.c", "mm/a.c")]
    for word in ("rename", "copy"):
        moved = git("a/mm/a.c", "b/mm/b.c", f"{word} from mm/a.c", f"{word} to mm/b.c")
        assert names(opener(["mm/a.c"]).open([moved])) == [("mm/a.c", "mm/b.c")]
        said = "mail:7: makes mm/b.c of mm/a.c, but there is a mm/b.c (is the patch in this tree"
        assert refused(["mm/a.c", "mm/b.c"], moved) == f"{said} already?)"


def test_names_in_gits_own_form_have_no_prefix() -> None:
    given = replace(diff("a/mm/a.c", "a/mm/a.c"), exact=True)
    assert names(opener(["a/mm/a.c", "mm/a.c"]).open([given])) == [("a/mm/a.c", "a/mm/a.c")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (diff("a/mm/a.c", "b/mm/a.c"), f"changes mm/a.c, which is not in the tree ({BASE})"),
        (diff("a/mm/a.c", NULL), f"deletes mm/a.c, which is not in the tree ({BASE})"),
        (diff(NULL, NULL), "a diff of no file (one of its two names is wrong)"),
        (diff("a/../../evil", "b/../../evil"), f"'a/../../evil' {OUT}"),
        (diff("a/../../evil", "a/../../evil", old=(0, 0)), f"'a/../../evil' {OUT}"),
        (diff("/tmp/evil", "/tmp/evil"), f"'/tmp/evil' {OUT}"),
        (diff("../lamps/a.c", "../lamps/a.c"), f"'../lamps/a.c' {OUT}"),
        (diff(NULL, "x/mm/../../../etc/x"), f"'x/mm/../../../etc/x' {OUT}"),
        (diff("a/.git/config", "b/.git/config"), f"'a/.git/config' {OUT}"),
        (diff("a/mm/\x1b[1m.c", "b/mm/\x1b[1m.c"), f"'a/mm/\\x1b[1m.c' {OUT}"),
        (diff("a", "b"), f"'a' {OUT}"),
        (diff(f"a/{'../' * 80}x", NULL), f"'a/{('../' * 80)[:198]}' {OUT}"),
        (diff("a/bad/x.c", "b/bad/x.c"), "bad/x.c is no name (take another)"),
        (
            diff(NULL, f"b/mm/{'é' * 128}", old=(0, 0)),
            f"the name of a file is too long: b/mm/{'é' * 55}… (no file system has more than 255 "
            "bytes in one)",
        ),
        (
            git("a/l", "b/" + "l" * 300, "old mode 100644", "new mode 120000"),
            f"b/{'l' * 198} is a symbolic link (only plain files can be patched: 100644 or 100755)",
        ),
        (
            git("a/l", NULL, "deleted file mode 160000 "),
            "a/l is a submodule (only plain files can be patched: 100644 or 100755)",
        ),
        (
            git(NULL, "b/l", "new file mode 120000 mode 100644"),
            "b/l: new file mode 120000 mode 100644 (only plain files can be patched: 100644 or "
            "100755)",
        ),
        (
            git(NULL, "b/" + "l" * 300, f"new file mode {'1' * 30}"),
            f"b/{'l' * 198}: new file mode {'1' * 20} (only plain files can be patched: 100644 or "
            "100755)",
        ),
    ],
)
def test_what_cannot_be_patched(given: RawDiff, said: str) -> None:
    assert refused([], given) == f"mail:7: {said}"


def test_a_name_of_255_bytes_is_not_too_long() -> None:
    name = "é" * 127 + "x"
    made = diff(NULL, f"b/mm/{name}", old=(0, 0))
    assert names(opener([]).open([made])) == [(None, f"mm/{name}")]


@pytest.mark.parametrize(
    ("name", "files", "fits"),
    [
        ("/home/ada/mm/a.c", [], True),
        ("/home/ada/lamps/a.c", [], False),
        ("../x/mm/a.c", [], True),
        ("mm/../a.c", [], False),
        ("/mm/a.c", [], True),
    ],
)
def test_a_name_in_a_home_is_taken_below_a_folder_of_a_kernel(
    name: str, files: list[str], fits: bool
) -> None:
    made = diff(NULL, name, old=(0, 0))
    if fits:
        assert names(opener(files).open([made])) == [(None, name[name.index("mm/") :])]
    else:
        assert refused(files, made) == f"mail:7: {name!r} {OUT}"


def test_a_file_is_changed_once_and_has_no_file_below_it() -> None:
    two = [diff("a/mm/a.c", "b/mm/a.c"), diff("a/mm/a.c", "b/mm/a.c", line=20)]
    assert refused(["mm/a.c"], *two) == (
        "mail:20: mm/a.c is changed twice in one mail (import the two patches from two files)"
    )
    below = [diff(NULL, f"b/mm/n{more}", old=(0, 0), line=7 + len(more)) for more in ("", "/x/y")]
    for given in (below, below[::-1]):
        assert refused([], *given) == (
            "mail:11: mm/n is a file of this patch, so nothing can be below it (one of the two "
            "names is wrong)"
        )
    gone = diff("a/mm/n", NULL)
    assert names(opener(["mm/n"]).open([gone, below[1]])) == [("mm/n", None), (None, "mm/n/x/y")]


@pytest.mark.parametrize(
    ("body", "same"),
    [
        (["+one", "+two"], True),
        (["+o ne", "+two"], True),
        (["+one", "two"], True),  # a line that was wrapped
        (["+one", "+two", "-- ", "footer"], True),
        (["+one", "+2"], False),
        (["+one"], False),
        (["one", "+two"], True),
        (["junk", "+one", "+two"], True),
    ],
)
def test_a_file_that_is_there_already(body: list[str], same: bool) -> None:
    made = diff(NULL, "b/mm/a.c", *body, old=(0, 0), new=(1, len(body)))
    said = "which the tree has with the same lines already (give a tree without the patch)"
    other = f"which exists with other lines ({BASE})"
    assert refused({"mm/a.c": "one\ntwo\n"}, made) == (
        f"mail:7: creates mm/a.c, {said if same else other}"
    )


def test_a_file_that_is_there_already_with_entities_or_by_its_digest() -> None:
    there = {"mm/a.c": "a < b\n"}
    same = "mail:7: creates mm/a.c, which the tree has with the same lines already"
    for text in ("+a &lt; b", "+a < b"):
        assert refused(there, diff(NULL, "b/mm/a.c", text, old=(0, 0))).startswith(same)
    digest = digest_of(b"a < b\n")[:7]
    for blob, begin in ((digest, same), ("0" * 7, same[:23]), ("", same[:23])):
        made = replace(diff(NULL, "b/mm/a.c", "+c", old=(0, 0)), blobs=("0" * 7, blob))
        said = refused(there, made)
        assert said.startswith(begin)
        assert ("same lines" in said) == (begin == same)
    first = diff("a/mm/a.c", "b/mm/a.c", "+c", old=(0, 0))
    assert "creates mm/a.c, which exists with other lines" in refused(there, first)
    # An empty file is not the same as any that is longer.
    assert "exists with other lines" in refused({"mm/a.c": ""}, replace(first, before=NULL))


def test_the_search_for_names_is_limited() -> None:
    given = diff("x/" * 30 + "a.c", "y/" * 30 + "a.c")
    assert refused([], given).endswith(f"which is not in the tree ({BASE})")
    with pytest.raises(TooMuchError):
        opener([], 200).open([given])
