"""Commits of a kernel's history as clean patches, and git's own opinion of a patch.

Trees are never checked out. A file is read when somebody asks for it, from one `git cat-file`
process for each history, so the importer sees the whole tree of a commit at the price of the files
that it opens.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from pathlib import Path

from memnotify.errors import InputError
from memnotify.series.apply import FileState

VARIABLE = "MEMNOTIFY_HISTORY"
"""The environment variable that names the git repository."""

Reader = Callable[[str], FileState | None]
Files = Mapping[str, FileState | None]

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}
_HEADER = re.compile(r"([A-Za-z-]+): (.*)")
_PLAIN = ("100644", "100755")
_NONE = "000000"
_LARGEST = 200_000  # bytes; larger mails are refused by lists


class UnusableError(Exception):
    """A commit that no mail can carry, or that git itself does not get back from its mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What `git mailinfo` reads in a mail."""

    author: str
    date: str
    title: str
    message: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A commit as a patch: raw and decoded headers, its text, and the files before and after."""

    commit: str
    parent: str
    raw: Mapping[str, str]
    headers: Mapping[str, str]
    lines: tuple[str, ...]
    letter: Letter
    before: Files
    after: Files

    @property
    def diff(self) -> bytes:
        """The diff alone."""
        at = next(n for n, line in enumerate(self.lines) if line.startswith("diff --git "))
        return as_bytes(self.lines[at:])


def as_bytes(lines: tuple[str, ...] | list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


class History:
    """A git repository, of which trees are read through one process."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self._objects = subprocess.Popen(
            ["git", "-C", str(repository), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
        )

    def close(self) -> None:
        assert self._objects.stdin and self._objects.stdout
        self._objects.stdin.close()
        self._objects.stdout.close()
        self._objects.wait()

    def _git(self, *words: str) -> bytes:
        command = ["git", "-C", str(self.repository), *words]
        return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True).stdout

    def choose(self, count: int, seed: int) -> list[str]:
        """Return commits with one parent, always the same ones for a seed."""
        words = ("rev-list", "--max-parents=1", "--min-parents=1", "HEAD")
        there = self._git(*words).decode().split()
        return random.Random(seed).sample(there, min(count, len(there)))

    def _object(self, name: str) -> tuple[str, bytes] | None:
        """Return the type and the bytes of an object; None if there is none."""
        assert self._objects.stdin and self._objects.stdout
        self._objects.stdin.write(name.encode("utf-8", "surrogateescape") + b"\n")
        self._objects.stdin.flush()
        head = self._objects.stdout.readline()
        if head.endswith((b" missing\n", b" ambiguous\n")):
            return None
        _, kind, size = head.rsplit(b" ", 2)
        data = self._objects.stdout.read(int(size))
        self._objects.stdout.read(1)
        return kind.decode(), data

    def tree(self, commit: str, modes: Mapping[str, int] | None = None) -> Reader:
        """Return a reader of a commit's files, as `read_tree` is one of a folder's.

        Links are not told from files: no commit that changes one is used.
        """
        known: dict[str, FileState | None] = {}

        def read(name: str) -> FileState | None:
            if name not in known:
                if "\n" in name or name.startswith(("/", "./", "../")) or "/../" in name:
                    raise InputError(f"{name} leads out of the tree")
                found = self._object(f"{commit}:{name}")
                if found is not None and found[0] != "blob":
                    raise InputError(f"{name} is a folder; patches are for files")
                mode = (modes or {}).get(name, 0o644)
                known[name] = None if found is None else FileState(found[1], mode)
            return known[name]

        return read

    def original(self, commit: str) -> Original:
        """Return a commit as a patch. Raises UnusableError."""
        parent = f"{commit}^"
        modes = self._modes(commit)
        mail = self._git(
            *("format-patch", "-1", "--stdout", "--no-signature", "--no-numbered", "-M"), commit
        )
        if len(mail) > _LARGEST:
            raise UnusableError("larger than lists take")
        raw, lines = _parts(mail)
        if not any(line.startswith("diff --git ") for line in lines):
            raise UnusableError("no diff")
        if any(line.startswith(("Binary files ", "GIT binary patch")) for line in lines):
            raise UnusableError("binary")
        if "# HG changeset patch" in lines:
            raise UnusableError("Mercurial's header in the message, which imports leave out")
        begin = lines.index("---") if "---" in lines else len(lines)
        if any(line.startswith(("Index: ", "diff -")) for line in lines[:begin]):
            raise UnusableError("a header of a diff in the message, where git ends it")
        before, after = (
            {name: read(name) for name in modes}
            for read in (
                self.tree(parent, {name: old for name, (old, _) in modes.items() if old}),
                self.tree(commit, {name: new for name, (_, new) in modes.items() if new}),
            )
        )
        if git_apply(mail, before) != after:
            raise UnusableError("git apply does not get it from its mail")
        raw["Message-Id"] = f"<{commit[:12]}@example.org>"
        return Original(
            commit=commit,
            parent=parent,
            raw=raw,
            headers={name: _decoded(value) for name, value in raw.items()},
            lines=tuple(lines),
            letter=mailinfo(mail),
            before=before,
            after=after,
        )

    def _modes(self, commit: str) -> dict[str, tuple[int | None, int | None]]:
        """Return the permission bits before and after of each file that a commit touches."""
        rows = self._git("diff-tree", "-r", "-z", "--no-commit-id", "--no-renames", commit)
        words = rows.decode("utf-8", "surrogateescape").split("\0")
        found: dict[str, tuple[int | None, int | None]] = {}
        for row, name in zip(words[::2], words[1::2], strict=False):
            old, new = row.lstrip(":").split(" ")[:2]
            if {old, new} - {*_PLAIN, _NONE} or "\n" in name:
                raise UnusableError("a link or a submodule")
            bits = [None if mode == _NONE else int(mode[-3:], 8) for mode in (old, new)]
            found[name] = (bits[0], bits[1])
        return found


def _parts(mail: bytes) -> tuple[dict[str, str], list[str]]:
    text = mail.decode("utf-8", "surrogateescape")
    block, _, body = text.partition("\n\n")
    unfolded = re.sub(r"\n[ \t]+", " ", block)
    found = {m[1]: m[2] for line in unfolded.split("\n") if (m := _HEADER.fullmatch(line))}
    try:
        raw = {name: found[name] for name in ("From", "Date", "Subject")}
    except KeyError as error:
        raise UnusableError("a header is missing") from error
    return raw, body.removesuffix("\n").split("\n")


def _decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, UnicodeError, LookupError) as error:
        raise UnusableError("a header that cannot be decoded") from error


def git_apply(patch: bytes, files: Files, *options: str) -> dict[str, FileState | None] | None:
    """Return what `git apply` makes of files, or None if it refuses the patch."""
    with tempfile.TemporaryDirectory(prefix="memnotify-differential-") as folder:
        root = Path(folder)
        for name, state in files.items():
            if state is not None:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(state.data)
                path.chmod(state.mode | 0o600)
        done = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", *options, "-"],
            cwd=root,
            input=patch,
            env={**ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(root.parent)},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            return None
        return {
            str(path.relative_to(root)): FileState(path.read_bytes(), path.stat().st_mode & 0o777)
            for path in root.rglob("*")
            if path.is_file()
        } | {name: None for name in files if not (root / name).is_file()}


def mailinfo(mail: bytes) -> Letter:
    """Return what git reads in a mail. Raises UnusableError if it reads nothing."""
    with tempfile.TemporaryDirectory(prefix="memnotify-differential-") as folder:
        message = Path(folder) / "message"
        done = subprocess.run(
            ["git", "mailinfo", str(message), os.devnull],
            cwd=folder,
            input=mail,
            env={**ENVIRONMENT, "GIT_CEILING_DIRECTORIES": folder},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise UnusableError("git mailinfo does not read it")
        found = dict(
            line.split(": ", 1)
            for line in done.stdout.decode(errors="replace").splitlines()
            if ": " in line
        )
        text = message.read_bytes().decode("utf-8", "surrogateescape")
    return Letter(
        author=f"{found.get('Author', '')} <{found.get('Email', '')}>",
        date=found.get("Date", ""),
        title=found.get("Subject", ""),
        message=tuple(text.strip("\n").split("\n")),
    )
