"""Open the files of the tree that a mail's diffs are for, and no others."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import PurePosixPath

from memnotify.errors import InputError
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import MODES, Lines, OpenFile
from memnotify.mailpatch.git_index import digest_of
from memnotify.mailpatch.raw import NULL, RawDiff
from memnotify.mailpatch.tokens import key
from memnotify.series.apply import FileState

_LONGEST_NAME = 255  # bytes
_STEPS_FOR_A_FILE = 20  # to check whether it exists
_DEEPEST = 12  # the most folders above the tree in a name
# The folders at the top of a kernel tree, in 2007 and now.
_TOP = re.compile(
    "Documentation|LICENSES|arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib"
    "|mm|net|rust|samples|scripts|security|sound|tools|usr|virt"
)

Reader = Callable[[str], FileState | None]


@dataclass(frozen=True)
class Opener:
    """Opens the files of diffs; `error` creates an error from a line, a message and a hint."""

    read: Reader
    effort: Effort
    error: Callable[[int, str, str | None], InputError]

    def open(self, diffs: Sequence[RawDiff]) -> list[OpenFile]:
        """Return the files of a mail's diffs.

        Raises InputError for names outside the tree, for files that are missing or must not exist,
        and for a file that would be changed twice, or that would be below another file.
        """
        strip = self._strip(diffs)
        for diff in diffs:
            self._check_modes(diff)
        files = [self._opened(diff, strip) for diff in diffs]
        made = {file.after for file in files if file.after}
        changed: set[str] = set()
        for file in files:
            if file.name in changed:
                raise self.error(
                    file.diff.line,
                    f"{file.name} is changed twice in one mail",
                    "import the two patches from two files",
                )
            changed.add(file.name)
            above = next((p for p in PurePosixPath(file.name).parents if str(p) in made), None)
            if above is not None:
                message = f"{above} is a file of this patch, so nothing can be below it"
                raise self.error(file.diff.line, message, "one of the two names is wrong")
        return files

    def _names(self, diff: RawDiff, strip: int) -> tuple[str | None, str | None]:
        if diff.hunks and not diff.git:
            first = diff.hunks[0]
            new = first.old_start == first.old_count == 0
            gone = first.new_start == first.new_count == 0 and diff.dateless
        else:
            new, gone = (
                any(line.startswith(word) for line in diff.extended)
                for word in ("new file", "deleted file")
            )
        if new and not diff.git and diff.before != NULL:
            # A file that is there, and empty, may get its first lines.
            state = self.read(self._stripped(diff, diff.before, strip))
            new = state is None or bool(state.data)
        before = None if diff.before == NULL or new else self._stripped(diff, diff.before, strip)
        after = None if diff.after == NULL or gone else self._stripped(diff, diff.after, strip)
        if before is None and after is None:
            raise self.error(diff.line, "a diff of no file", "one of its two names is wrong")
        renamed = any(line.startswith(("rename", "copy")) for line in diff.extended)
        if before is not None and after is not None and not renamed:
            # Copies are called mem.c.orig, or are in a folder of another name.
            before = after if self.read(after) is not None else before
            after = before
        return before, after

    def _check_modes(self, diff: RawDiff) -> None:
        for line in diff.extended:
            word, found, mode = line.partition(" mode ")
            if found and mode.strip() not in MODES:
                what = {"120000": "a symbolic link", "160000": "a submodule"}.get(mode.strip())
                name = diff.before if diff.after == NULL else diff.after
                raise self.error(
                    diff.line,
                    f"{name[:200]} is {what}" if what else f"{name[:200]}: {word} mode {mode[:20]}",
                    f"only plain files can be patched: {' or '.join(MODES)}",
                )

    def _own(self, diff: RawDiff, strip: int) -> int:
        """Return how many components to strip from the names of one diff.

        It may differ from those of the others (`strip`), if that leads to a file.
        """
        if diff.exact:
            return 0
        names = {diff.before, diff.after} - {NULL}
        usual = all(name.startswith(("a/", "b/")) for name in names)
        if len(names) < 2 or (usual and strip == 1) or self._fits(names, strip):
            return strip
        deepest = min(max(len(PurePosixPath(name).parts) for name in names), _DEEPEST)
        return next((other for other in range(deepest) if self._fits(names, other)), strip)

    def _fits(self, names: Iterable[str], strip: int) -> bool:
        """Return whether one of two names leads to a file; at the top, files have common names."""
        for name in names:
            parts = PurePosixPath(name).parts[strip:]
            self.effort.spend(_STEPS_FOR_A_FILE)
            if len(parts) > (strip > 1) and ".." not in parts and parts[0] != "/":
                with contextlib.suppress(InputError, OSError):
                    if self.read("/".join(parts)) is not None:
                        return True
        return False

    def _strip(self, diffs: Sequence[RawDiff]) -> int:
        """Return how many components to strip from the names so that they name existing files."""
        names = [{diff.before, diff.after} - {NULL} for diff in diffs if not diff.exact]
        paths = [PurePosixPath(name) for some in names for name in some]

        def fit(strip: int) -> tuple[int, int, int]:
            """Return how many names are files, begin like kernel files, and are below linux*."""
            found = top = below = 0
            for path in paths:
                parts = path.parts[strip:]
                self.effort.spend(_STEPS_FOR_A_FILE)
                if not parts or ".." in parts or parts[0] == "/":
                    continue
                of_linux = strip > 0 and path.parts[strip - 1].startswith("linux")
                # Files at the top have common names: a/x/Makefile is not the tree's Makefile.
                if len(parts) > 1 or strip < 2 or of_linux:
                    # An error in a name is reported when it is opened.
                    with contextlib.suppress(InputError, OSError):
                        found += self.read("/".join(parts)) is not None
                usual = strip == 1 and path.parts[0] in ("a", "b")
                if len(parts) > 1 and (usual or _TOP.fullmatch(parts[0])):
                    top += 1
                    below += of_linux
            return found, top, below

        deepest = max((len(path.parts) for path in paths), default=0)
        strips = (1, *(strip for strip in range(min(deepest, _DEEPEST)) if strip != 1))
        return max(strips, key=lambda strip: (*fit(strip), strip == 1))

    def _stripped(self, diff: RawDiff, name: str, strip: int) -> str:
        path = PurePosixPath(name)
        parts = path.parts[strip:]
        # A name in somebody's home is accepted if the rest of it is one of a kernel's files.
        foreign = path.is_absolute() or ".." in path.parts
        unsafe = ".." in parts or ".git" in parts or (foreign and not strip)
        if foreign and parts and not unsafe:
            known = _TOP.fullmatch(parts[0]) or self.read("/".join(parts)) is not None
            unsafe = not known
        if unsafe or not parts or not name.isprintable():
            raise self.error(
                diff.line,
                f"{name[:200]!r} leads out of the tree",
                "a patch names files below the top of the tree",
            )
        if any(len(part.encode(errors="replace")) > _LONGEST_NAME for part in parts):
            raise self.error(
                diff.line,
                f"the name of a file is too long: {name[:60]}…",
                f"no file system has more than {_LONGEST_NAME} bytes in one",
            )
        return "/".join(parts)

    def _opened(self, diff: RawDiff, strip: int) -> OpenFile:
        try:
            return self._open(diff, *self._names(diff, self._own(diff, strip)))
        except InputError as error:
            if error.file is not None:
                raise
            # What the tree cannot have is an error of the mail's line.
            raise self.error(diff.line, error.message, error.hint) from None

    def _open(self, diff: RawDiff, before: str | None, after: str | None) -> OpenFile:
        if before is None:
            assert after is not None
            there = self.read(after)
            if there is not None:
                raise self._exists(diff, after, there)
            return OpenFile(diff, None, after, Lines())
        state = self.read(before)
        if state is None:
            does = "deletes" if after is None else "changes"
            raise self.error(
                diff.line,
                f"{does} {before}, which is not in the tree",
                "is this the base that the patch is for?",
            )
        if after is not None and after != before and self.read(after) is not None:
            raise self.error(
                diff.line,
                f"makes {after} of {before}, but there is a {after}",
                "is the patch in this tree already?",
            )
        return OpenFile(diff, before, after, Lines.of(state.data))

    def _exists(self, diff: RawDiff, name: str, there: FileState) -> InputError:
        """Return the error for a file that a diff creates, and that the tree has."""
        lines = [line.text for hunk in diff.hunks for line in hunk.body]
        # A line without a sign is the rest of one that was wrapped, or below the hunk.
        whole = "".join(key(text.removeprefix("+")) for text in lines)
        added = "".join(key(text[1:]) for text in lines if text.startswith("+"))
        own = "".join(map(key, Lines.of(there.data).lines))
        # Whether its entities are the archive's is not known yet.
        read = [(added, whole), (unescape(added), unescape(whole))]
        stated = diff.blobs[1]
        proven = bool(stated.strip("0")) and digest_of(there.data).startswith(stated)
        if proven or any(own == exact or (own and more.startswith(own)) for exact, more in read):
            message = f"creates {name}, which the tree has with the same lines already"
            return self.error(diff.line, message, "give a tree without the patch")
        message = f"creates {name}, which exists with other lines"
        return self.error(diff.line, message, "is this the base that the patch is for?")
