"""What a compiler, a linker or make complained of first, among the output of parallel jobs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from memnotify.errors import InfrastructureError
from memnotify.process import CommandFailed

_HOST_FAILED = re.compile(
    r"Killed signal terminated|\*\*\* .*\bKilled$|No space left on device|"
    r"[Cc]annot allocate memory|virtual memory exhausted|out of memory allocating",
    re.MULTILINE,
)
"""What compilers, linkers and make print when memory or disk space runs out."""

# ld names itself, and not always an error.
_COMPLAINT = re.compile(
    r"^.*(?:\berror: |undefined reference|\*\*\* ).*$|"
    r"^(?:\S*/)?ld(?:\.\w+)?: (?!.*(?:\bwarning: |: in function )).*$",
    re.MULTILINE,
)

# What stands before an error and belongs to it: how the compiler came there.
_LEADS_TO = re.compile(
    r"In file included from |\s+from \S+:\d+|\S+: (?:In|At) \w+|"
    r".*: in expansion of |.*: in function "
)

_OF_OTHERS = re.compile(r"  [A-Z][A-Z0-9_]+ +(?:\[\w\] )?\S+$")
"""What kbuild prints of files, also of those that other jobs compile meanwhile."""

_GAVE_UP = re.compile(r"make(?:\[\d+\])?: \*\*\* ")
"""What make prints of the file that it could not make."""

_MOST = 12


def first_complaint(text: str) -> list[str]:
    """Return the first error in the output of a build with the lines that belong to it.

    The lines of other jobs between them are left out. Empty if there is none.
    """
    found = _COMPLAINT.search(text)
    if found is None:
        return []
    before = [line for line in text[: found.start()].splitlines() if not _OF_OTHERS.match(line)]
    leading: list[str] = []
    while before and _LEADS_TO.match(before[-1]) and len(leading) < _MOST // 2:
        leading.insert(0, before.pop())
    after: list[str] = []
    for line in text[found.end() :].splitlines()[1:]:
        if _GAVE_UP.match(line):
            after = [*after[: _MOST - len(leading)], line]
            break
        if not _OF_OTHERS.match(line):
            after.append(line)
    return [*leading, found[0], *after][: 2 * _MOST]


def does_not_build(
    name: str, error: CommandFailed, output: Path, *, keep: Path | None = None
) -> InfrastructureError:
    """Return an error that shows the first complaint of compiler, linker or make.

    Its kind is `build`, or `host` if the host ran out of memory or disk space. The log is copied to
    `keep`, where the next build leaves it alone; the error names it.
    """
    text = output.read_text(errors="replace", encoding="utf-8") if output.exists() else ""
    lines = first_complaint(text)
    why, *tail = error.message.splitlines()
    complaint = _COMPLAINT.search(text)
    first = complaint[0].strip() if complaint else why
    shown = [f"  | {line}" for line in lines] if len(lines) > 1 else [] if lines else tail
    hint = error.hint
    if keep is not None and output.exists():
        shutil.copyfile(output, keep)
        hint = f"full output in {keep}"
    return InfrastructureError(
        "host" if _HOST_FAILED.search(text) else "build",
        "\n".join([f"{name} failed to build: {first}", *shown]),
        hint=hint,
    )
