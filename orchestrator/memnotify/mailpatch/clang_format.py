"""Indentation of C by clang-format, in the kernel's style.

Only the indentation of its output is used: the text within lines stays the author's. GNU indent is
not used: it has no style for a `case` or a macro such as list_for_each_entry(), stops at code that
it cannot parse (which a piece of a file always is), and is not maintained.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from memnotify.environment import PYTHON
from memnotify.extras import packaged_program
from memnotify.mailpatch.tokens import in_comment
from memnotify.process import CommandLog, run

# Lines stay as they are (no column limit), and nothing is sorted, joined or inserted.
_STYLE = """\
BasedOnStyle: LLVM
IndentWidth: 8
TabWidth: 8
ContinuationIndentWidth: 8
UseTab: Never
ColumnLimit: 0
BreakBeforeBraces: Linux
IndentCaseLabels: false
IndentGotoLabels: false
AlignAfterOpenBracket: Align
AlignOperands: true
AlignEscapedNewlines: DontAlign
AllowShortIfStatementsOnASingleLine: AllIfsAndElse
AllowShortLoopsOnASingleLine: true
AllowShortCaseLabelsOnASingleLine: true
Cpp11BracedListStyle: false
MaxEmptyLinesToKeep: 1000
ReflowComments: false
SortIncludes: Never
BreakStringLiterals: false
AlignTrailingComments: false
"""
_LOOP = re.compile(r"\b(\w*for_each\w*)\s*\(")


def indentations(
    texts: Sequence[Sequence[str]], *, log: CommandLog | None = None
) -> list[list[int | None]]:
    """Return for each line of each piece of C the column where it should begin.

    None for an empty line, and for all lines of a piece in which clang-format would change more
    than white space. Raises InfrastructureError if there is no clang-format.
    """
    if not texts:
        return []
    loops = sorted({name for text in texts for line in text for name in _LOOP.findall(line)})
    style = _STYLE + f"ForEachMacros: [{', '.join(loops)}]\n"
    with tempfile.TemporaryDirectory(prefix="memnotify-style-") as folder:
        root = Path(folder)
        (root / ".clang-format").write_text(style, encoding="utf-8")
        for number, text in enumerate(texts):
            body = "\n".join(_held(text)) + "\n"
            (root / f"{number}.c").write_text(body, errors="surrogateescape", encoding="utf-8")
        names = [f"{number}.c" for number in range(len(texts))]
        run(
            [_formatter(), "--style=file", "-i", *names],
            cwd=root,
            allow=[PYTHON],
            timeout=120,
            log=log,
        )
        formatted = [
            (root / name).read_text(errors="surrogateescape", encoding="utf-8").split("\n")
            for name in names
        ]
    return [_columns(_held(text), after) for text, after in zip(texts, formatted, strict=True)]


def _formatter() -> str:
    """Return clang-format. Raises InfrastructureError if there is none."""
    # The command of its package is a Python program that does nothing but start this one.
    with contextlib.suppress(ImportError, AttributeError):
        program = str(importlib.import_module("clang_format").get_executable("clang-format"))
        if Path(program).is_file():
            return program
    return packaged_program("clang-format", "the indentation of a mail")


def _held(text: Sequence[str]) -> list[str]:
    """Append an empty comment to each line, because clang-format would join some otherwise."""
    held = []
    comment = False
    directive = False
    for line in text:
        within = comment
        comment = in_comment(line, comment)
        directive = (directive or line.lstrip().startswith("#")) and not within
        free = not (within or comment or directive or line.endswith("\\") or not line.strip())
        held.append(line + " //" if free else line)
        directive = directive and line.endswith("\\")
    return held


def _bare(line: str) -> str:
    # In macros clang-format adds new lines, which end with a backslash.
    return "".join(line.split()).replace("\\", "")


def _columns(before: Sequence[str], after: Sequence[str]) -> list[int | None]:
    """Return the new column of each line's first character, found by ignoring white space."""
    bare = [_bare(line) for line in after]
    if "".join(_bare(line) for line in before) != "".join(bare):
        return [None] * len(before)
    begins = list(itertools.accumulate((len(text) for text in bare), initial=0))
    columns: list[int | None] = []
    offset, row = 0, 0
    for line in before:
        text = _bare(line)
        if not text:
            columns.append(None)
            continue
        # The last line that begins at or before the character; empty lines begin where the next do.
        while row + 1 < len(bare) and begins[row + 1] <= offset:
            row += 1
        columns.append(len(after[row]) - len(after[row].lstrip()))
        offset += len(text)
    return columns
