"""Strict application of a series.

GNU patch does the work, because it reports offset and fuzz of every hunk, which `git apply` does
not. It never sees the tree: it works on a copy of the files that the series touches, and the
results are returned as values. So a failed series leaves no trace, a check is the same operation
without writing, and the caller can write only what differs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from memnotify.errors import InputError
from memnotify.files import resolved
from memnotify.process import CommandLog, run
from memnotify.series.mismatch import ExpectedHunk, show_mismatch
from memnotify.series.quilt import Patch, Series

_HUNK = re.compile(
    r"Hunk #(\d+) (succeeded|FAILED) at (\d+)(?: with fuzz (\d+))?(?: \(offset (-?\d+) lines?\))?"
)
_DIFF = re.compile(rb"^(?:diff --git \S|--- \S[^\n]*\n\+\+\+ \S)", re.MULTILINE)
_SHOWN = re.compile(rb"^[ \t>]+\+\+\+ \S", re.MULTILINE)
_MAX_FUZZ = 2  # the most that a series may allow
_ANY_BYTES = "latin-1"  # decodes any bytes, and encodes them back unchanged


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as a patch sees it: its bytes and permission bits."""

    data: bytes
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedHunk:
    """A hunk that did not fit exactly: the line where it applied, its offset and its fuzz."""

    file: str
    hunk: int
    line: int
    offset: int
    fuzz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPatch:
    """How one patch applied; `shifted` lists the hunks with an offset or with allowed fuzz."""

    patch: Patch
    hunks: int
    shifted: tuple[AppliedHunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The result of a series: each file it touches (None: deleted), and how each patch applied."""

    files: Mapping[str, FileState | None]
    patches: tuple[AppliedPatch, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """The hunks of one patch for one file, with its name before and after (None: /dev/null)."""

    before: str | None
    after: str | None
    hunks: tuple[ExpectedHunk, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.before, self.after) if name is not None)

    @property
    def new(self) -> bool:
        """Whether it creates a file."""
        # Some diffs do not name /dev/null for a new file, but start at line 0.
        return self.before is None or (bool(self.hunks) and self.hunks[0].start == 0)


Reader = Callable[[str], FileState | None]
"""Returns a file of a tree by its path, or None if there is none."""


def read_tree(tree: Path) -> Reader:
    """Return a reader of a tree's files; InputError for folders, links and paths leading out."""

    def read(name: str) -> FileState | None:
        path = tree / name
        try:
            inside = resolved(path).is_relative_to(resolved(tree))
        except InputError as error:
            raise InputError(f"{name} is behind a loop of links", file=tree) from error
        if not inside:
            raise InputError(f"{name} leads out of the tree", file=tree)
        if path.is_symlink():
            raise InputError(f"{name} is a link; patches are for files", file=tree)
        if path.is_dir():
            raise InputError(f"{name} is a folder; patches are for files", file=tree)
        if not path.is_file():
            above = next((p for p in path.parents if p.is_file()), None)
            if above is not None:
                raise InputError("is a file, so nothing can be below it", file=above)
            return None
        return FileState(path.read_bytes(), path.stat().st_mode & 0o777)

    return read


def apply_series(series: Series, read: Reader, *, log: CommandLog | None = None) -> Application:
    """Apply a series to the files that `read` returns (by path in the tree; None: missing).

    Raises InputError for the first patch that is malformed, leaves the tree, or has a hunk that
    does not fit; the message shows what each such hunk expected and what the file has.
    """
    parts = [(patch, _parse(patch)) for patch in series.patches]
    names = sorted({name for _, files in parts for part in files for name in part.names})
    with tempfile.TemporaryDirectory(prefix="memnotify-patch-") as folder:
        scratch = Path(folder)
        put_files(scratch, {name: read(name) for name in names})
        applied = tuple(_apply(patch, files, scratch, log) for patch, files in parts)
        reader = read_tree(scratch)
        return Application(files={name: reader(name) for name in names}, patches=applied)


def changed_files(patch: Patch) -> tuple[str, ...]:
    """Return the files that a patch changes, creates or deletes. Raises InputError if malformed."""
    return tuple(dict.fromkeys(name for part in _parse(patch) for name in part.names))


def is_whole(patch: Patch) -> bool:
    """Return whether a patch creates, deletes or renames a file, so that it cannot be split."""
    return any(part.new or part.before != part.after for part in _parse(patch))


def put_files(folder: Path, files: Mapping[str, FileState | None]) -> None:
    """Write files below a scratch folder, and delete those that are None."""
    for name, state in files.items():
        path = folder / name
        if state is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(state.data)
            path.chmod(state.mode | 0o600)


def _parse(patch: Patch) -> tuple[_Part, ...]:
    text = patch.path.read_bytes().decode(errors="replace")
    try:
        files = PatchSet(text)
    except UnidiffParseError as error:
        raise InputError(f"not a unified diff: {error}", file=patch.path) from error
    if not files:
        raise InputError("there is no diff in this patch", file=patch.path)
    lines = text.split("\n")

    def stripped(name: str) -> str | None:
        if name == "/dev/null":
            return None
        path = PurePosixPath(*name.split("/")[1:])
        if name.startswith("/") or ".." in path.parts or not path.parts:
            where = next((i for i, line in enumerate(lines, 1) if name in line), None)
            raise InputError(f"{name} leads out of the tree", file=patch.path, line=where)
        return str(path)

    parts = (
        _Part(
            stripped(file.source_file),
            stripped(file.target_file),
            tuple(
                ExpectedHunk(
                    start=hunk.source_start,
                    expected=tuple(
                        line.value.rstrip("\n") for line in hunk if line.line_type in " -"
                    ),
                    patch_line=(hunk[0].diff_line_no or 1) - 1,
                )
                for hunk in file
            ),
        )
        for file in files
    )
    return tuple(part for part in parts if not patch.only or part.after in patch.only)


@contextmanager
def _diff_of(patch: Patch) -> Iterator[Path]:
    """Yield a file with the part of a patch that is to be applied; usually the patch itself."""
    if not patch.only:
        data = patch.path.read_bytes()
        begin = _DIFF.search(data)
        shown = _SHOWN.search(data, 0, begin.start() if begin else len(data))
        if begin is None or shown is None:
            yield patch.path
            return
        # GNU patch would take the diff that the message shows, indented, for one of its own.
        with tempfile.NamedTemporaryFile(prefix="memnotify-diff-", suffix=".patch") as part:
            part.write(data[begin.start() :])
            part.flush()
            yield Path(part.name)
        return
    files = PatchSet(patch.path.read_bytes().decode(_ANY_BYTES))
    kept = [str(file) for file in files if file.target_file.partition("/")[2] in patch.only]
    with tempfile.NamedTemporaryFile(prefix="memnotify-part-", suffix=".patch") as part:
        part.write("".join(kept).encode(_ANY_BYTES))
        part.flush()
        yield Path(part.name)


def _apply(
    patch: Patch, parts: Iterable[_Part], scratch: Path, log: CommandLog | None
) -> AppliedPatch:
    parts = tuple(parts)
    reader = read_tree(scratch)
    before = {name: reader(name) for part in parts for name in part.names}
    for part in parts:
        _check_presence(patch, part, before)
    with _diff_of(patch) as diff:
        done, text = run_patch(diff, scratch, fuzz=patch.fuzz, log=log)
        shifted, failed = hunk_outcomes(text)
        if not done:
            put_files(scratch, before)
            needed = _fuzz_needed(diff, patch.fuzz, scratch, log)
            raise _failure(patch, parts, before, failed, text, needed)
    return AppliedPatch(
        patch=patch, hunks=sum(len(part.hunks) for part in parts), shifted=tuple(shifted)
    )


def _check_presence(patch: Patch, part: _Part, before: Mapping[str, FileState | None]) -> None:
    line = part.hunks[0].patch_line if part.hunks else None
    if part.before is None:
        if part.after is not None and before[part.after] is not None:
            raise InputError(
                f"creates {part.after}, which already exists", file=patch.path, line=line
            )
        return
    if before[part.before] is None and not part.new:
        raise InputError(
            f"changes {part.before}, which is not in the tree", file=patch.path, line=line
        )


def run_patch(
    patch: Path,
    tree: Path,
    *options: str,
    fuzz: int = 0,
    timeout: float = 60,
    log: CommandLog | None = None,
) -> tuple[bool, str]:
    """Run GNU patch on the files below a folder; return whether all hunks fit, and its output.

    That includes its complaints only if they do not fit.

    `timeout` is in seconds. Raises InfrastructureError if it takes longer.
    """
    done = run(
        [
            "patch",
            "-p1",
            "--unified",  # never an ed script, which could run commands
            "--forward",
            "--batch",
            "--binary",
            f"--fuzz={fuzz}",
            "--no-backup-if-mismatch",
            "--reject-file=-",
            f"--input={patch.absolute()}",
            *options,
        ],
        cwd=tree,
        timeout=timeout,
        log=log,
        check=False,
    )
    fits = done.returncode == 0
    return fits, done.stdout if fits else done.said


def hunk_outcomes(text: str) -> tuple[list[AppliedHunk], list[tuple[str, int]]]:
    """Parse the output of patch, and return the hunks that moved and those that failed."""
    file = ""
    shifted: list[AppliedHunk] = []
    failed: list[tuple[str, int]] = []
    for line in text.splitlines():
        if named := re.match(r"(?:patching|checking) file '?(.*?)'?(?: \(.*\))?$", line):
            file = named[1]
        elif found := _HUNK.match(line):
            number, at = int(found[1]), int(found[3])
            if found[2] == "FAILED":
                failed.append((file, number))
            else:
                shifted.append(
                    AppliedHunk(
                        file=file,
                        hunk=number,
                        line=at,
                        offset=int(found[5] or 0),
                        fuzz=int(found[4] or 0),
                    )
                )
    return shifted, failed


def _fuzz_needed(diff: Path, allowed: int, scratch: Path, log: CommandLog | None) -> int | None:
    for fuzz in range(allowed + 1, _MAX_FUZZ + 1):
        if run_patch(diff, scratch, "--dry-run", fuzz=fuzz, log=log)[0]:
            return fuzz
    return None


def _failure(
    patch: Patch,
    parts: tuple[_Part, ...],
    before: Mapping[str, FileState | None],
    failed: list[tuple[str, int]],
    text: str,
    fuzz: int | None,
) -> InputError:
    hint = None
    if fuzz is not None:
        hint = f"it would apply with fuzz={fuzz}; if that is acceptable, add it to the series file"
    by_name = {name: part for part in parts for name in part.names}
    shown = []
    first = None
    for name, number in failed:
        part = by_name[name]
        hunk = part.hunks[number - 1]
        state = before[part.before or name]
        first = first or hunk.patch_line
        head, body = show_mismatch(
            hunk, "" if state is None else state.data.decode(errors="replace")
        )
        shown.append(f"hunk {number} of {len(part.hunks)} does not apply to {name}:{head}\n{body}")
    if not shown:
        reason = "patch(1) rejected it"
        if "previously applied" in text:
            reason = "it is already in the tree"
        shown = [reason + "".join(f"\n  | {line}" for line in text.splitlines())]
    return InputError("\n".join(shown), file=patch.path, line=first, hint=hint)
