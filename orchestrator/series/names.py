"""Which files of the tree a mail's diffs are for, and no others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.errors import InputError
from orchestrator.series.apply import FileState
from orchestrator.series.changes import Lines, OpenFile
from orchestrator.series.diffs import NULL, RawDiff
from orchestrator.series.effort import Effort

_LONGEST_NAME = 255  # bytes
_STEPS_FOR_A_FILE = 20  # to look if it is there

Reader = Callable[[str], FileState | None]


@dataclass(frozen=True)
class Opener:
    """Opens the files of diffs; `error` makes an error of a line, a message and a hint."""

    read: Reader
    effort: Effort
    error: Callable[[int, str, str | None], InputError]

    def open(self, diffs: Sequence[RawDiff]) -> list[OpenFile]:
        """Return the files of a mail's diffs.

        Raises InputError for names out of the tree, for files that are not there or must not be,
        and for a file that would be changed twice, or that would be below another.
        """
        strip = self._strip(diffs)
        files = [self._open(diff, *self._names(diff, strip)) for diff in diffs]
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
        if diff.hunks:
            first = diff.hunks[0]
            new = first.old_start == first.old_count == 0
            gone = first.new_start == first.new_count == 0
        else:
            new, gone = (
                any(line.startswith(word) for line in diff.extended)
                for word in ("new file", "deleted file")
            )
        before = None if diff.before == NULL or new else self._stripped(diff, diff.before, strip)
        after = None if diff.after == NULL or gone else self._stripped(diff, diff.after, strip)
        if before is None and after is None:
            raise self.error(diff.line, "a diff of no file", "one of its two names is wrong")
        renamed = any(line.startswith(("rename", "copy")) for line in diff.extended)
        if before is not None and after is not None and not renamed:
            # Copies are called mem.c.orig, or lie in a folder of another name.
            before = after if self.read(after) is not None else before
            after = before
        return before, after

    def _strip(self, diffs: Sequence[RawDiff]) -> int:
        """Return how many components to take off the names: as many as lead to files there are."""

        def fit(strip: int) -> int:
            found = 0
            for diff in diffs:
                for name in {diff.before, diff.after} - {NULL}:
                    parts = PurePosixPath(name).parts[strip:]
                    self.effort.spend(_STEPS_FOR_A_FILE)
                    if parts and ".." not in parts and not name.startswith("/"):
                        # What is wrong with a name is said when it is opened.
                        with contextlib.suppress(InputError, OSError):
                            found += self.read("/".join(parts)) is not None
            return found

        return max((1, 0, 2, 3), key=lambda strip: (fit(strip), strip == 1))

    def _stripped(self, diff: RawDiff, name: str, strip: int) -> str:
        path = PurePosixPath(name)
        parts = path.parts[strip:]
        unsafe = (
            name.startswith("/")
            or ".." in path.parts
            or any(p.startswith(".git") and p == ".git" for p in parts)
        )
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

    def _open(self, diff: RawDiff, before: str | None, after: str | None) -> OpenFile:
        if before is None:
            assert after is not None
            if self.read(after) is not None:
                raise self.error(
                    diff.line,
                    f"creates {after}, which exists",
                    "is the patch in this tree already?",
                )
            return OpenFile(diff, None, after, Lines())
        state = self.read(before)
        if state is None:
            raise self.error(
                diff.line,
                f"changes {before}, which is not in the tree",
                "is this the base that the patch is for?",
            )
        if after not in (None, before) and self.read(after or "") is not None:
            raise self.error(
                diff.line,
                f"makes {after} of {before}, but there is a {after}",
                "is the patch in this tree already?",
            )
        return OpenFile(diff, before, after, Lines.of(state.data))
