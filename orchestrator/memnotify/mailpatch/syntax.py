"""What the lines of diffs look like, as regular expressions; no white space is trusted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memnotify.mailpatch.git_header import EXTENDED

MARGIN = r"(?P<margin>[ \t]*(?:[>|:}][ \t]*)*)"
OLD = re.compile(MARGIN + r"---[ \t]+(?P<path>\S.*)")
NEW = re.compile(r"\+\+\+[ \t]+(?P<path>\S.*)")
HUNK = re.compile(
    r"@@[ \t]*-(?P<old>\d+)(?:,(?P<olds>\d+))?[ \t]+\+(?P<new>\d+)(?:,(?P<news>\d+))?[ \t]*@@"
    r"[ \t]?(?P<section>.*)"
)
GIT_LINE = re.compile(MARGIN + r"(?P<git>diff --git \S+ \S.*)$")
HALF_GIT_LINE = re.compile(MARGIN + r"diff --git \S+")
BLOBS = re.compile(r"index ([0-9a-f]{7,})\.\.([0-9a-f]{7,})\b")
# Text that only a diff has: after its margin, or anywhere in a line if its blanks are intact.
TRACE = re.compile(r'\+\+\+ "?[^\s/]+/\S|@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@')
ANYWHERE = re.compile(r'diff --git "?a/\S|\+\+\+ "?b/\S|@@ -\d+(?:,\d+)? \+\d')
RULE = re.compile(r"={20,}")  # below Index:, or below a title in a file
BETWEEN = re.compile(
    rf"Index: |diff -|{RULE.pattern}|RCS file: |retrieving revision |"
    r"[$%#] (?:quilt|git|hg|svn|cvs) diff\b"
)
BINARY = re.compile(r"GIT binary patch|Binary files .* differ")
# Lines that a diff may have before its first hunk, and a truncated hunk header.
HEADERS = re.compile(
    rf"Index: \S|diff -|{RULE.pattern}|--- \S*/\S|\+\+\+ \S*/\S|@@|{EXTENDED.pattern}"
)


def git_line(lines: Sequence[str], index: int) -> tuple[re.Match[str] | None, int]:
    """Return a `diff --git` line, which may have been wrapped between its names, and its lines."""
    line = lines[index].rstrip()
    half = HALF_GIT_LINE.fullmatch(line)
    if half and index + 1 < len(lines):
        rest = lines[index + 1].strip().removeprefix(half["margin"].strip()).strip()
        if re.fullmatch(r"\S+/\S+", rest):
            return GIT_LINE.match(f"{line} {rest}"), 2
    return GIT_LINE.match(lines[index]), 1
