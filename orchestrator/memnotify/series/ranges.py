"""Ranges of git as series: git format-patch makes the patches, the same for the same commits.

The user's tree may be somebody else's, and its settings can name programs for git to run, or change
patches. So it is asked only for the names of commits. Everything else is done in an empty
repository that borrows its objects: it has none of its settings, attributes and replacements.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from memnotify.errors import InputError
from memnotify.process import CommandFailed, run
from memnotify.series.folders import SERIES
from memnotify.series.own import ANY, CONFIG, GIT, SHORT_ID, Found, label_of
from memnotify.text import counted, known_names, printable, shown

_TIMEOUT = 120.0
_FORM = "git:TREE#BASE..BRANCH, such as git:../linux#v6.1..my-branch"

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "",  # a clone without some objects does not fetch them
}

# The same for any version of git, whatever its defaults are.
_CONFIG = ("diff.suppressBlankEmpty=false", "i18n.logOutputEncoding=UTF-8", "core.quotePath=true")
_FORMAT = (
    *("--zero-commit", "--no-signature", "--no-numbered", "--subject-prefix=PATCH"),
    *("--no-thread", "--no-cover-letter", "--no-attach", "--no-to", "--no-cc", "--no-add-header"),
    *("--no-base", "--no-notes", "--no-signoff", "--encode-email-headers", "--full-index"),
    *("--diff-algorithm=myers", "--indent-heuristic", "--unified=3", "--inter-hunk-context=0"),
    *("--no-renames", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"),
    *("--no-color", "--no-relative", "--suffix=.patch", "-O/dev/null", "--stat=72"),
)
_OF_FILES = (("core.fileMode", "true"), ("core.symlinks", "true"), ("core.autocrlf", "false"))
"""The settings on which it depends whether a file has changed, and their defaults."""


@dataclass(frozen=True, slots=True)
class _Range:
    tree: Path
    start: str
    end: str


@contextmanager
def patches_of(word: str, at: Path) -> Iterator[Found]:
    """Provide the series of a word such as `git:../linux#v6.1..mine`; the folder is below `at`.

    A folder beside the campaign, named as the branch, may have its revision.toml and `config`.
    Raises InputError that says what is wrong with the word or the range.
    """
    asked = _parse(word, at)
    wrong = f"{asked.tree} is not a git repository"
    _git(asked.tree, "rev-parse", "--git-dir", wrong=wrong)
    start, end = (_commit(asked, ref) for ref in (asked.start, asked.end))
    with tempfile.TemporaryDirectory(prefix="memnotify-range-") as folder:
        bare = _borrower(asked.tree, Path(folder, "git"), end)
        git = partial(_git, bare, wrong=f"git in {asked.tree}")
        commits = f"{start}..{end}"
        count = int(git("rev-list", "--count", commits))
        if not count:
            raise InputError(f"{word}: the range has no commits", hint=f"{asked.end} adds none")
        if merges := int(git("rev-list", "--merges", "--count", commits)):
            raise InputError(
                f"{word}: {merges} of its {count} commits are merges, which no patch can say",
                hint=f"rebase {asked.end} on {asked.start}",
            )
        if count > 999:
            raise InputError(
                f"{word}: {count} commits are more than a series",
                hint=f"start the range at a later commit than {asked.start}",
            )
        label = label_of(f"{GIT}#{_branch(asked)}")
        beside, place = at / label, Path(folder, "patches")
        git("format-patch", *_FORMAT, "-o", os.fspath(place), commits)
        names = sorted(file.name for file in place.glob("*.patch"))
        (place / SERIES).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        if (beside / CONFIG).is_file():
            shutil.copyfile(beside / CONFIG, place / CONFIG)
        yield Found(
            label=label,
            folders={ANY: place},
            origin=beside,
            word=word,
            state=end[:SHORT_ID],
            note=_uncommitted(asked, end, bare),
        )


def _borrower(tree: Path, bare: Path, head: str) -> Path:
    """Make a repository with the objects of another and nothing else of it; return its folder."""
    kind = _git(tree, "rev-parse", "--show-object-format")
    form = ("--bare", "--template=", f"--object-format={kind}")
    _git(bare.parent, "init", *form, bare.name)
    objects, shallow = (
        (tree / _git(tree, "rev-parse", "--git-path", name)).resolve()
        for name in ("objects", "shallow")
    )
    alternates = bare / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{objects}\n", encoding="utf-8", errors="surrogateescape")
    if shallow.is_file():
        shutil.copyfile(shallow, bare / "shallow")
    (bare / "HEAD").write_text(f"{head}\n", encoding="utf-8")
    return bare


def _uncommitted(asked: _Range, end: str, bare: Path) -> str | None:
    """Return a note if the work tree has changes that look as if they were in the range."""
    ask = partial(_git, asked.tree)
    try:
        if ask("rev-parse", "HEAD") != end:
            return None
        top = ask("rev-parse", "--show-toplevel")
        index = (asked.tree / ask("rev-parse", "--git-path", "index")).resolve()
        words = [f"--work-tree={top}"]
        for name, default in _OF_FILES:
            words += ["-c", f"{name}={ask('config', '--default', default, '--get', name)}"]
        words += ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"]
        changed = _git(bare, "--git-dir=.", *words, env={"GIT_INDEX_FILE": os.fspath(index)})
    except InputError:
        return None  # no work tree
    if not changed:
        return None
    files = counted(len(changed.splitlines()), "file")
    return f"{asked.tree}: changes of {files} are not committed, and so not in {asked.end}"


def _parse(word: str, at: Path) -> _Range:
    tree, sign, commits = word.removeprefix(GIT).partition("#")
    start, dots, end = commits.partition("..")
    if not (sign and dots and start and end) or end.startswith("."):
        raise InputError(f"{shown(word)} is not a range", hint=f"the form is {_FORM}")
    if any(ref.startswith("-") or not ref.isprintable() for ref in (start, end)):
        raise InputError(f"{shown(word)}: a commit has no such name", hint=f"the form is {_FORM}")
    folder = at / Path(tree or ".").expanduser()
    if not folder.is_dir():
        raise InputError(f"{word}: there is no folder {folder}", hint=f"the form is {_FORM}")
    return _Range(folder, start, end)


def _commit(asked: _Range, ref: str) -> str:
    try:
        words = ("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
        return _git(asked.tree, *words)
    except InputError:
        refs = ("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags")
        known = _git(asked.tree, *refs).split()
        raise InputError(
            f"{asked.tree} has no branch, tag or commit {ref}",
            hint=known_names(ref, known[:50]),
        ) from None


def _branch(asked: _Range) -> str:
    """Return the branch of a range's end, which may be HEAD or a commit."""
    if asked.end != "HEAD":
        return asked.end
    name = _git(asked.tree, "rev-parse", "--abbrev-ref", "HEAD")
    return "detached" if name == "HEAD" else name


def _git(
    tree: Path, *words: str, wrong: str | None = None, env: Mapping[str, str] = MappingProxyType({})
) -> str:
    config = [part for setting in _CONFIG for part in ("-c", setting)]
    argv = ["git", "--no-pager", *config, "-C", os.fspath(tree), *words]
    try:
        return run(argv, env={**_ENVIRONMENT, **env}, timeout=_TIMEOUT).stdout.strip()
    except CommandFailed as error:
        said = next((line for line in error.message.splitlines() if "fatal:" in line), "")
        why = printable(said.partition("fatal:")[2].strip() or error.message.splitlines()[0])
        raise InputError(f"{wrong or f'git in {tree}'}: {why}") from error
