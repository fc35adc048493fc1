"""Turn archived mails into a series that applies to a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from memnotify.errors import InputError
from memnotify.mailpatch.as_stated import preferred
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import Change
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.mail import PROVENANCE, Mail
from memnotify.mailpatch.patchfile import patch_bytes, prove, split_message
from memnotify.mailpatch.paths import Reader
from memnotify.mailpatch.post import Post, post_of
from memnotify.mailpatch.repairs import Chooser, Repair, RepairKind
from memnotify.mailpatch.restore_patch import Restorer
from memnotify.mailpatch.revisions import newest_of
from memnotify.mailpatch.subjects import place_of
from memnotify.mailpatch.terms import Term, said_of, terms_of, written
from memnotify.mailpatch.thread import in_order
from memnotify.mailpatch.tokens import masked, plain
from memnotify.mailpatch.truncation import Diffstat
from memnotify.process import CommandLog
from memnotify.series.apply import FileState, apply_series
from memnotify.series.quilt import SERIES, Patch, Series

_OWN_DIFF = re.compile(r"diff -|Index: |@@ -|GIT binary patch|Binary files .* differ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One patch: the name and the bytes of its file, its changes, and its repairs."""

    name: str
    data: bytes
    changes: tuple[Change, ...]
    post: Post
    repairs: tuple[Repair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSeries:
    """The patches of a thread in order, and notes about the thread.

    Patches that were in the series before are included as `Patch`.
    """

    patches: tuple[Imported | Patch, ...]
    said: tuple[str, ...]


@dataclass
class _Overlay:
    """A tree with the earlier patches applied to it."""

    read: Reader
    files: dict[str, FileState | None] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)  # of files that patches have created

    def __call__(self, name: str) -> FileState | None:
        if name not in self.files:
            above = next((p for p in _above(name) if self.files.get(p) is not None), None)
            if above is not None or name in self.folders:
                what = f"{above} is a file" if above else f"{name} is a folder"
                raise InputError(
                    f"{what} since an earlier patch, so there can be no file {name}",
                    hint="one of the two names is wrong",
                )
            self.files[name] = self.read(name)
        return self.files[name]

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            copied = any(line.startswith("copy ") for line in change.extended)
            if change.before is not None and change.after != change.before and not copied:
                self.files[change.before] = None
            if change.after is not None:
                self.folders.update(_above(change.after))
                # Patches are read against the text of files only, so any mode will do.
                self.files[change.after] = FileState(change.new.data(), 0o644)


def _above(name: str) -> list[str]:
    return [str(path) for path in PurePosixPath(name).parents][:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """How patches are restored; as for `import_mails`."""

    fuzz: int
    choose: Chooser | None
    log: CommandLog | None


def import_mails(
    mails: Sequence[Mail],
    read: Reader,
    *,
    beside: Sequence[Patch] = (),
    fuzz: int = 0,
    revision: int | None = None,
    choose: Chooser | None = None,
    log: CommandLog | None = None,
) -> ImportedSeries:
    """Restore the patches of mails against the files that `read` returns, one on top of the other.

    `beside` is a series in which they replace the patches with the same numbers. `fuzz` is how many
    lines of context at each end of a hunk may be missing in the tree. `revision` selects one if the
    mails are of several. `choose` is called for questions that a mail leaves open; without it they
    are errors. Raises InputError for the first patch that cannot be restored, or of `beside` that
    no longer applies: then there is no series.
    """
    others = []
    posts = []
    for mail in mails:
        bare = [plain(line) for line in mail.lines]
        try:
            post = post_of(mail, read_diffs(bare, file=mail.source, first=mail.first))
        except InputError:
            # An answer may quote what cannot be restored, and have no patch itself.
            if not place_of(mail.subject).reply or any(map(_OWN_DIFF.match, bare)):
                raise
            others.append(mail)
            continue
        if post.text.diffs or post.broken:
            posts.append(post)
        else:
            others.append(mail)
    if not posts:
        files = ", ".join(dict.fromkeys(mail.source for mail in mails))
        raise InputError(
            "it has no diff",
            file=files or "the mails",
            hint="a diff has lines that begin with ---, +++ and @@",
        )
    there = {number_of(patch) for patch in beside}
    ordered, said = in_order(posts, others=others, there=there, revision=revision)
    if others:
        shown = [f"“{mail.subject or 'no subject'}” ({mail.source})" for mail in others[:3]]
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        said.append(f"no diff in {', '.join(shown)}{more}: left out")
    numbered = _numbered(ordered, beside)
    _check_places(numbered, beside)
    thread = _Thread.of(numbered, mails, others)
    means = _Means(fuzz=fuzz, choose=choose, log=log)
    restored, notes = _restored(numbered, beside, read, means, thread.headers)
    made = [patch.data for patch in restored if isinstance(patch, Imported)]
    return ImportedSeries(patches=restored, said=(*said, *notes, *thread.said(made, log)))


@dataclass(frozen=True)
class _Thread:
    """What the mails of a thread say of its patches besides: `headers` by the number of a patch."""

    terms: tuple[Term, ...]
    newest: tuple[int, str] | None
    headers: Mapping[int, Sequence[str]]

    @classmethod
    def of(
        cls, posts: Mapping[int, Post], mails: Sequence[Mail], others: Sequence[Mail]
    ) -> _Thread:
        newest = newest_of(list(posts.values()), mails)
        covers = (mail for mail in others if not place_of(mail.subject).reply)
        above = [term for mail in covers for term in terms_of(mail)]
        terms = {number: terms_of(post.mail) for number, post in posts.items()}
        headers = {number: written(terms[number], post.mail) for number, post in posts.items()}
        if posts:
            first = min(posts)
            own = [term for term in above if term not in terms[first]]
            headers[first] += written(own, posts[first].mail)
            headers[first] += [f"{PROVENANCE}Newest: v{newest[0]}"] if newest else []
        every = dict.fromkeys(term for some in (above, *terms.values()) for term in some)
        return cls(tuple(every), newest, headers)

    def said(self, patches: Sequence[bytes], log: CommandLog | None) -> list[str]:
        """Return what to tell the user of it; `patches` are those that were made."""
        said = said_of(self.terms, patches, log=log)
        if self.newest:
            said.append(f"the newest revision is v{self.newest[0]}: “{self.newest[1]}”")
        return said


def import_in_order(
    mails: Sequence[Mail],
    read: Reader,
    *,
    fuzz: int = 0,
    choose: Chooser | None = None,
    log: CommandLog | None = None,
) -> ImportedSeries:
    """Restore the patches of mails whose order is known, whatever their subjects state.

    Raises InputError as `import_mails` does.
    """
    posts = []
    for mail in mails:
        text = read_diffs([plain(line) for line in mail.lines], file=mail.source, first=mail.first)
        if not text.diffs:
            raise InputError(f"“{mail.subject}” has no diff", file=mail.source)
        # A subject that begins with Re: does not matter: the mail is known to be the patch.
        posts.append(replace(post_of(mail, text), reply=False))
    means = _Means(fuzz=fuzz, choose=choose, log=log)
    restored, said = _restored(dict(enumerate(posts, 1)), (), read, means, {})
    return ImportedSeries(patches=restored, said=tuple(said))


def _restored(
    numbered: Mapping[int, Post],
    beside: Sequence[Patch],
    read: Reader,
    means: _Means,
    headers: Mapping[int, Sequence[str]],
) -> tuple[tuple[Imported | Patch, ...], list[str]]:
    """Return the patches of a series, restored one on top of the other, and notes about it.

    `headers` are more header lines for the files of patches, by their numbers.
    """
    tree = _Overlay(read)
    effort = Effort.of(len(numbered))
    said: list[str] = []
    done: list[Imported | Patch] = []
    for number, patch in _merged(numbered, beside):
        if isinstance(patch, Post):
            made = _import(patch, number, tree, effort, means, headers.get(number, ()))
            done.append(made)
            names = [name for c in made.changes for name in (c.before, c.after) if name]
            said += [
                f"{patch.mail.source}: the mail's diffstat names {name}, for which it has no diff"
                for name in Diffstat.of(patch.text.head).without_diff(names)
            ]
        else:
            alone = Series(revision="", base="", patches=(patch,))
            tree.files.update(apply_series(alone, tree, log=means.log).files)
            done.append(patch)
    return tuple(done), said


def _numbered(posts: Sequence[Post], beside: Sequence[Patch]) -> dict[int, Post]:
    """Return patches by number; those without an n/m come after all numbers that are in use.

    Raises InputError if a patch without a number is to replace another: it is not known which.
    """
    numbered = {post.number: post for post in posts if post.total}
    after = max([0, *(post.total for post in posts)])
    for at, post in enumerate((post for post in posts if not post.total), after + 1):
        if beside:
            raise InputError(
                f"“{post.mail.subject}” has no n/m in its subject",
                file=post.mail.source,
                hint="with --replace a mail takes the place of the patch that has its number",
            )
        numbered[at] = post
    return numbered


def _check_places(posts: Mapping[int, Post], beside: Sequence[Patch]) -> None:
    """Raise InputError if two patches have the number of a mail that is to replace one."""
    for number, post in posts.items():
        names = [patch.name for patch in beside if number_of(patch) == number]
        if len(names) > 1:
            raise InputError(
                f"{' and '.join(names)} have the number {number} both, and "
                f"“{post.mail.subject}” can take the place of one only",
                file=beside[0].path.with_name(SERIES),
                hint="rename or remove one of them",
            )


def number_of(patch: Patch | Imported) -> int | None:
    """Return the number that a patch's file name begins with."""
    digits = re.match(r"\d{1,6}", patch.name)
    return int(digits[0]) if digits else None


def _merged(
    posts: Mapping[int, Post], beside: Sequence[Patch]
) -> Iterator[tuple[int, Post | Patch]]:
    """Yield a series in order, with posts instead of its patches of the same numbers."""
    waiting = dict(sorted(posts.items()))
    for patch in beside:
        number = number_of(patch)
        if number is not None:
            for ready in [n for n in waiting if n <= number]:
                yield ready, waiting.pop(ready)
        if number is None or number not in posts:
            yield number or 0, patch
    yield from waiting.items()


def _import(
    post: Post,
    number: int,
    tree: _Overlay,
    effort: Effort,
    means: _Means,
    headers: Sequence[str],
) -> Imported:
    mail = preferred(post.mail, tree, effort)
    restored = Restorer(
        mail=mail,
        read=tree,
        fuzz=means.fuzz,
        choose=means.choose,
        effort=effort,
        log=means.log,
    ).restore()
    text = restored.text
    before = {
        name: tree(name)
        for change in restored.changes
        for name in (change.before, change.after)
        if name is not None
    }
    stat = prove(restored.changes, before, log=means.log)
    repairs = [Repair(kind=RepairKind.DECODED, detail=what) for what in dict.fromkeys(mail.undone)]
    repairs += [Repair(kind=RepairKind.UNSURE, detail=what, sure=False) for what in mail.doubts]
    repairs += [Repair(kind=RepairKind.ANSWER, sure=False)] if post.reply else []
    repairs += restored.repairs
    message, _, had_stat = split_message(text.head)
    if had_stat and not _same_stat(text.head, stat):
        repairs.append(Repair(kind=RepairKind.DIFFSTAT))
    repairs += [
        Repair(kind=RepairKind.MASKED, detail=address)
        for line in (mail.headers.get("From", ""), *message)
        for address in masked(line)
    ]
    tree.apply(restored.changes)
    return Imported(
        name=f"{number:04}-{post.slug}.patch",
        data=patch_bytes(
            mail, text.head, stat, restored.changes, repairs, headers=headers, log=means.log
        ),
        changes=restored.changes,
        post=post,
        repairs=tuple(repairs),
    )


def _same_stat(head: Sequence[str], stat: str) -> bool:
    """Compare two diffstats by their numbers, not by the width of their graphs."""

    def numbers(lines: Sequence[str]) -> list[str]:
        rows = [re.fullmatch(r"\s*(.*\S)\s*\|\s*(\d+).*", line) for line in lines]
        return sorted(f"{row[1]} {row[2]}" for row in rows if row)

    return numbers(head) == numbers(stat.splitlines())
