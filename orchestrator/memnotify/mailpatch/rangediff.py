"""Compare two series patch by patch, with git range-diff.

range-diff compares commits, and commits need files, of which a patch shows only a few lines.
Neither the rest of them nor the tree is needed: each hunk gets its own place in a made-up file,
which has the hunk's old lines before its patch and its new lines from then on. So the commits have
exactly the diffs of the patches, whatever base these are for. Files that the series itself creates
are known completely.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from memnotify.errors import InputError
from memnotify.mailpatch.git_settings import NO_SETTINGS
from memnotify.mailpatch.mail import read_mails
from memnotify.mailpatch.raw import NULL
from memnotify.mailpatch.subjects import title_of
from memnotify.process import CommandLog, run
from memnotify.series.quilt import Patch

# More empty lines than any context, so that hunks stay apart.
_APART = [""] * 12
_TIMEOUT = 120.0
# For git range-diff, in percent: how much of a patch may differ if it is to count as the same one.
# Ports to other bases differ more than the next version of a patch does.
_CREATION_FACTOR = 100


@dataclass
class _Place:
    """Where a hunk is in its made-up file: its heading, and its lines before and after."""

    patch: int
    heading: str
    before: list[str]
    after: list[str]


@dataclass
class _File:
    """A file across the commits of a series: the places of hunks, or its whole text."""

    places: list[_Place] = field(default_factory=list)
    whole: dict[int, list[str]] = field(default_factory=dict)  # by patch, if the series creates it
    gone: int | None = None

    def at(self, patch: int) -> list[str] | None:
        if self.gone is not None and patch >= self.gone:
            return None
        if self.whole:
            known = [number for number in self.whole if number <= patch]
            return self.whole[max(known)] if known else None
        lines = []
        for place in self.places:
            now = place.after if patch >= place.patch else place.before
            lines += [*_APART, place.heading, *_APART, *now]
        return [*lines, *_APART]


def range_diff(
    old: Sequence[Patch],
    new: Sequence[Patch],
    *,
    stat: bool = False,
    color: bool = False,
    messages: bool = True,
    log: CommandLog | None = None,
) -> str:
    """Return the output of `git range-diff` for two series; with `stat`, as numbers of lines.

    Without `messages`, patches are named by their number, and only their changes are compared.
    Raises InputError if a series is empty, and if a patch is not a diff, or does not fit a file
    that its own series creates.
    """
    if not old or not new:
        which = "the first" if not old else "the second"
        raise InputError(f"{which} series has no patches, so there is nothing to compare")
    factor = f"--creation-factor={_CREATION_FACTOR}"
    with tempfile.TemporaryDirectory(prefix="memnotify-diff-") as folder:
        root = Path(folder)
        env = {
            "GIT_DIR": folder,
            "GIT_OBJECT_DIRECTORY": os.fspath(root / "objects"),
            **NO_SETTINGS,
        }
        git = partial(run, cwd=root, env=env, timeout=_TIMEOUT, log=log)
        git(["git", "init", "--quiet", "--bare", "."])
        sides = (("a", old), ("b", new))
        stream = b"".join(_branch(name, patches, messages) for name, patches in sides)
        git(["git", "fast-import", "--quiet"], input=stream)
        options = [f"--color={'always' if color else 'never'}", *(["--stat"] if stat else [])]
        words = ["git", "--no-pager", "range-diff", *options, factor, "a0..a", "b0..b"]
        return git(words).stdout


_PAIR = re.compile(r"^(?P<old>\d+|-): +\S+ [=!<>] +(?P<new>\d+|-): +\S+ (?P<title>patch \d+)$")


def named_patches(text: str, old: Sequence[Patch], new: Sequence[Patch]) -> str:
    """Return the output of `range_diff` with `stat`, with titles and files of the patches."""
    lines, patch = [], None
    for line in text.splitlines():
        # Numbers are padded to a column.
        if pair := _PAIR.match(line.strip()):
            side, number = (old, pair["old"]) if pair["new"] == "-" else (new, pair["new"])
            patch = side[int(number) - 1]
            line = line.removesuffix(pair["title"]) + _message(patch).partition("\n")[0]
        elif patch is not None:
            files = ", ".join(dict.fromkeys(file.path for file in _parsed(patch)))
            line = line.replace(" a => b |", f" {files} |", 1)
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _branch(name: str, patches: Sequence[Patch], messages: bool) -> bytes:
    """Return a series as a stream for git fast-import: a base, and a commit for each patch."""
    files: dict[str, _File] = {}
    for number, patch in enumerate(patches, 1):
        for part in _parsed(patch):
            _add(files, part, number, patch)
    stream = _commit(f"{name}0", "base", files, 0, None)
    for number, patch in enumerate(patches, 1):
        before = f"{name}0" if number == 1 else name
        message = _message(patch) if messages else f"patch {number}\n"
        stream += _commit(name, message, files, number, before)
    return stream if patches else stream + f"reset refs/heads/{name}\nfrom {name}0\n\n".encode()


def _parsed(patch: Patch) -> PatchSet:
    try:
        return PatchSet(patch.path.read_bytes().decode(errors="replace"))
    except UnidiffParseError as error:
        raise InputError(f"not a unified diff: {error}", file=patch.path) from error


def _message(patch: Patch) -> str:
    """Return the message of a patch, without what comes after its ---."""
    mail = next(iter(read_mails(patch.path)), None)
    if mail is None:
        raise InputError("there is no text in this patch", file=patch.path)
    body = []
    for line in mail.levels[0]:
        if line.rstrip() == "---" or line.startswith(("diff --git ", "--- ", "Index: ")):
            break
        body.append(line)
    title = title_of(mail.subject) or patch.name
    return f"{title}\n\n{chr(10).join(body).strip()}\n"


def _add(files: dict[str, _File], part: PatchedFile, number: int, patch: Patch) -> None:
    name = part.source_file if part.target_file == NULL else part.target_file
    path = name.split("\t")[0].partition("/")[2]
    odd = not path.isprintable() or any(p in ("", ".", "..", ".git") for p in path.split("/"))
    if odd or '"' in path:
        raise InputError(f"{name[:200]!r} does not name a file in the tree", file=patch.path)
    file = files.setdefault(path, _File())
    if part.target_file == NULL:
        file.gone = number
    for hunk in part:
        before = [line.value.rstrip("\n") for line in hunk if line.line_type in " -"]
        after = [line.value.rstrip("\n") for line in hunk if line.line_type in " +"]
        if part.source_file == NULL:
            file.whole[number] = after
        elif file.whole:
            text = file.whole.get(number, file.whole[max(file.whole)])
            at = _find(text, before, hunk.target_start - 1)
            if at is None:
                line = (hunk[0].diff_line_no or 1) - 1
                raise InputError(
                    f"does not fit {path}, which an earlier patch of its series made",
                    file=patch.path,
                    line=line,
                )
            file.whole[number] = [*text[:at], *after, *text[at + len(before) :]]
        else:
            file.places.append(_Place(number, hunk.section_header, before, after))


def _find(text: Sequence[str], lines: Sequence[str], near: int) -> int | None:
    places = [
        at for at in range(len(text) - len(lines) + 1) if list(text[at : at + len(lines)]) == lines
    ]
    return min(places, key=lambda at: abs(at - near), default=None)


def _commit(
    branch: str, message: str, files: dict[str, _File], number: int, before: str | None
) -> bytes:
    data = message.encode(errors="replace")
    stream = f"commit refs/heads/{branch}\n".encode()
    # Always the same date, so that the same series give the same output.
    stream += b"committer memnotify <memnotify@localhost> 0 +0000\n"
    stream += f"data {len(data)}\n".encode() + data + b"\n"
    if before is not None and number == 1:
        stream += f"from refs/heads/{before}\n".encode()
    for path, file in files.items():
        lines = file.at(number)
        if lines is None:
            stream += f"D {path}\n".encode() if number else b""
            continue
        text = ("\n".join(lines) + "\n").encode("utf-8", "replace")
        stream += f"M 100644 inline {path}\ndata {len(text)}\n".encode() + text + b"\n"
    return stream + b"\n"
