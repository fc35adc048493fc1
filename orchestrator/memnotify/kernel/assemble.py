"""Assemble a tree from its pieces: a tarball, and patches on top of it.

These patches have tens of thousands of hunks in half of the tree, so they are applied in place, to
a tree that is discarded if one fails; `memnotify.series.apply` gives better messages for a series.
A patch that would write outside the tree is refused before GNU patch sees it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from memnotify.archive import unpack
from memnotify.errors import InputError
from memnotify.kernel.tarball import LIMITS, top_and_version
from memnotify.process import CommandLog
from memnotify.series.apply import hunk_outcomes, run_patch

_PATIENCE = 1800.0
_MOST_BYTES = 1 << 30
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
}

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_NAME = re.compile(
    rb"(?:--- |\+\+\+ |Index: |rename (?:from|to) |copy (?:from|to) |diff --git )(.*)"
)
_LINK = re.compile(rb"(?:new|old|deleted) (?:file )?mode 12|new mode 12")


def assemble(pieces: Sequence[Path], tree: Path, *, log: CommandLog | None = None) -> None:
    """Unpack the first piece into an empty folder, and apply the others in order, without fuzz.

    Raises InputError for a damaged or hostile piece, and for a patch that does not fit.
    """
    tarball, *patches = pieces
    top, _ = top_and_version(tarball)
    unpack(tarball, top, tree, LIMITS)
    for patch in patches:
        with tempfile.NamedTemporaryFile(dir=tree.parent, suffix=".patch") as plain:
            _decompress(patch, cast(IO[bytes], plain))
            plain.flush()
            _refuse_ways_out(patch, Path(plain.name))
            fits, output = run_patch(Path(plain.name), tree, timeout=_PATIENCE, log=log)
        if not fits:
            failed = [f"{file} hunk {number}" for file, number in hunk_outcomes(output)[1]]
            first = ", ".join(failed[:3]) or (output.splitlines() or ["patch(1) rejected it"])[-1]
            raise InputError(
                f"does not apply to the result of the preceding parts: {first}"
                + (f" and {len(failed) - 3} more" if len(failed) > 3 else ""),
                file=patch,
            )


def _decompress(file: Path, out: IO[bytes]) -> None:
    with file.open("rb") as start:
        opener = _OPENERS.get(start.read(2), open)
    size = 0
    try:
        with opener(file, "rb") as data:
            while block := data.read(1 << 20):
                size += len(block)
                if size > _MOST_BYTES:
                    raise InputError("larger than any kernel patch", file=file)
                out.write(block)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError) as error:
        raise InputError(f"damaged: {error}", file=file) from error
    except OSError as error:
        if error.errno is not None:
            raise  # an error of the disk, not of the file
        raise InputError(f"damaged: {error}", file=file) from error


def _refuse_ways_out(patch: Path, plain: Path) -> None:
    """Raise InputError if a patch names a file outside the tree, creates a link, or lacks lines."""
    before = after = headers = 0
    with plain.open("rb") as file:
        for line in file:
            if before > 0 or after > 0:
                if line[:1] not in b" -+\\\n":
                    raise InputError("damaged: a hunk ends too early", file=patch)
                before -= line[:1] in b" -\n"
                after -= line[:1] in b" +\n"
            elif hunk := _HUNK.match(line):
                before, after = (int(count or 1) for count in hunk.groups())
                headers += 1
            elif line.startswith(b"@@"):
                raise InputError("damaged: incomplete hunk header", file=patch)
            elif _LINK.match(line):
                raise InputError("it makes a symbolic link", file=patch)
            elif named := _NAME.match(line):
                for word in named[1].split():
                    name = word.decode(errors="replace").strip('"')
                    if name != "/dev/null" and (
                        name.startswith("/") or ".." in PurePosixPath(name).parts
                    ):
                        raise InputError(f"{name} leads out of the tree", file=patch)
    if before > 0 or after > 0 or not headers:
        why = "truncated within a hunk" if headers else "it has no unified diff"
        raise InputError(why, file=patch)
