"""The damage that archives and mailers do to a patch, applied to clean ones on purpose.

A mail is made from a clean patch file: its headers, and its text as lines. Each kind of damage
takes lines and returns lines; `KINDS` has them in the order in which they happen on a mail's way to
a reader.
"""

from __future__ import annotations

import difflib
import hashlib
import html
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Lines = list[str]
Damage = Callable[[Lines, random.Random], Lines]

FOOTER = [
    "--",
    'To unsubscribe from this list: send the line "unsubscribe linux-kernel" in',
    "the body of a message to majordomo@vger.kernel.org",
]
BLANKS = " \t"  # archives treat the blanks of other scripts as letters
_HEADERS = ("From", "Date", "Subject", "Message-Id")


@dataclass(frozen=True)
class Clean:
    """A patch before anything happened to it."""

    headers: dict[str, str]
    lines: Lines

    @staticmethod
    def of(text: str) -> Clean:
        block, _, body = text.partition("\n\n")
        found = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        lines = body.removesuffix("\n").split("\n")
        # The signature that git format-patch appends.
        if "-- " in lines:
            lines = lines[: lines.index("-- ")]
        return Clean({name: found[name] for name in _HEADERS if name in found}, lines)


def _diff_begins(lines: Lines) -> int:
    return next(
        at
        for at, line in enumerate(lines)
        if line.startswith(("diff --git", "--- ")) and line != "---"
    )


# --- before sending: the author's tools


def header_style(lines: Lines, rng: random.Random) -> Lines:
    dated = rng.random() < 0.5
    date = "\t2008-01-13 16:56:54.000000000 +0900" if dated else ""
    done = []
    for line in lines:
        if line.startswith(("diff --git", "index ", "new file mode", "deleted file mode")):
            continue
        if line.startswith("--- a/"):
            done.append("Index: linux-2.6.24/" + line[6:])
            done.append("=" * 67)
            done.append("--- linux-2.6.24.orig/" + line[6:] + date)
        elif line.startswith("--- /dev/null"):
            done.append(line + date)
        elif line.startswith("+++ b/"):
            done.append("+++ linux-2.6.24/" + line[6:] + date)
        else:
            done.append(line)
    return done


def stale_numbers(lines: Lines, rng: random.Random) -> Lines:
    """Give hunks other line numbers than their true ones, as from an older tree."""
    shift = rng.choice((-40, -7, 5, 90))

    def moved(match: re.Match[str]) -> str:
        old, new = (max(1, int(match[n]) + shift) for n in (1, 3))
        return f"@@ -{old}{match[2]} +{new}{match[4]} @@"

    pattern = r"^@@ -([1-9]\d*)(,\d+)? \+([1-9]\d*)(,\d+)? @@"
    return [
        re.sub(
            pattern, lambda m: moved(m) if m[2] != ",0" and m[4] != ",0" else m[0], line
        ).replace("None", "")
        for line in lines
    ]


def wrong_counts(lines: Lines, rng: random.Random) -> Lines:
    at = [n for n, line in enumerate(lines) if re.match(r"@@ -[1-9]\d*,\d+ \+\d+,\d+ @@", line)]
    if at:
        chosen = rng.choice(at)
        found = re.match(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@(.*)", lines[chosen])
        assert found
        change = rng.choice((-1, 1, 2))
        lines = list(lines)
        lines[chosen] = (
            f"@@ -{found[1]},{found[2]} +{found[3]},{int(found[4]) + change} @@{found[5]}"
        )
    return lines


def stale_diffstat(lines: Lines, rng: random.Random) -> Lines:
    return [
        re.sub(r"\| +(\d+) ", lambda m: f"| {int(m[1]) + 1} ", line, count=1)
        if re.match(r" \S+ +\| +\d+ ", line)
        else line
        for line in lines
    ]


# --- in transit: mailers


def wrapped(lines: Lines, rng: random.Random) -> Lines:
    width = rng.choice((68, 72, 76, 78))
    begin = _diff_begins(lines)
    done = lines[:begin]
    for line in lines[begin:]:
        while len(line) > width:
            cut = line.rfind(" ", 2, width)
            # Mailers break between words; a line without blanks stays whole.
            if (
                cut < 20
                or line[:cut].strip() in ("", "+", "-")
                or line.startswith(("--- ", "+++ "))
            ):
                break
            done.append(line[:cut])
            line = line[cut + 1 :]
        done.append(line)
    return done


def quoted(lines: Lines, rng: random.Random) -> Lines:
    mark = rng.choice(("> ", "> > ", "| ", ">"))
    return [mark + line for line in lines]


def indented(lines: Lines, rng: random.Random) -> Lines:
    blanks = " " * rng.choice((1, 2, 4))
    return [blanks + line for line in lines]


def lost_line(lines: Lines, rng: random.Random) -> Lines:
    """Drop one line of a hunk; not one of `KINDS`, because the line cannot be restored."""
    hunks = [at for at, line in enumerate(lines) if line.startswith("@@ ")]
    own = [
        at
        for at in range(hunks[0], len(lines))
        if lines[at].startswith((" ", "+", "-")) and not lines[at].startswith(("+++ ", "--- "))
    ]
    at = rng.choice(own)
    return [*lines[:at], *lines[at + 1 :]]


def footer(lines: Lines, rng: random.Random) -> Lines:
    return [*lines, "", *FOOTER]


# --- in the archive


def masked(lines: Lines, rng: random.Random) -> Lines:
    kind = rng.choice(("x", "dots", "words"))

    def mask(match: re.Match[str]) -> str:
        if kind == "x":
            return f"{match[1]}@{'x' * len(match[2])}"
        if kind == "dots":
            return f"{match[1]}@...{match[2][-4:]}"
        return f"{match[1]} () {match[2].replace('.', ' ! ')}"

    return [re.sub(r"([\w.]+)@([\w-]+\.[\w.]+\w)", mask, line) for line in lines]


def expanded(lines: Lines, rng: random.Random) -> Lines:
    return [line.expandtabs(8) for line in lines]


def collapsed(lines: Lines, rng: random.Random) -> Lines:
    return [re.sub(r"[ \t]+", " ", line) for line in lines]


def eaten(lines: Lines, rng: random.Random) -> Lines:
    return [line.strip(BLANKS) for line in lines]


def trailing(lines: Lines, rng: random.Random) -> Lines:
    return [line.rstrip(BLANKS) for line in lines]


def nonbreaking(lines: Lines, rng: random.Random) -> Lines:
    share = rng.choice((0.3, 1.0))
    return [
        "".join("\u00a0" if c == " " and rng.random() < share else c for c in line)
        for line in lines
    ]


def entities(lines: Lines, rng: random.Random) -> Lines:
    return [html.escape(line, quote=rng.random() < 0.5) for line in lines]


KINDS: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (
        header_style,
        stale_numbers,
        wrong_counts,
        stale_diffstat,
        wrapped,
        quoted,
        indented,
        footer,
        masked,
        expanded,
        collapsed,
        eaten,
        trailing,
        nonbreaking,
        entities,
    )
}


def damaged(clean: Clean, kinds: set[str], rng: random.Random) -> Lines:
    """Apply several kinds of damage, in the order in which they happen."""
    lines = clean.lines
    for name, damage in KINDS.items():
        if name in kinds:
            lines = damage(lines, rng)
    return lines


def blob(file: Path) -> str:
    """Return git's name for a file's content, abbreviated as in its diffs; zeros for no file."""
    if not file.exists():
        return "0" * 7
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()[:7]


def clean_patch(old: Path, new: Path, headers: dict[str, str]) -> Clean:
    """Return the patch between two folders, as git would have mailed it."""
    names = sorted(
        {
            str(file.relative_to(side))
            for side in (old, new)
            for file in side.rglob("*")
            if file.is_file()
        }
    )
    diff: Lines = []
    rows: Lines = []
    counts = [0, 0]
    for name in names:
        before, after = (
            (side / name).read_text().splitlines() if (side / name).exists() else None
            for side in (old, new)
        )
        if before == after:
            continue
        found = list(difflib.unified_diff(before or [], after or [], lineterm=""))[2:]
        plus, minus = (sum(line.startswith(mark) for line in found) for mark in "+-")
        rows.append(f" {name} | {plus + minus} {'+' * bool(plus)}{'-' * bool(minus)}")
        counts[0] += plus
        counts[1] += minus
        diff.append(f"diff --git a/{name} b/{name}")
        diff += ["new file mode 100644"] if before is None else []
        mode = "" if before is None else " 100644"
        diff.append(f"index {blob(old / name)}..{blob(new / name)}{mode}")
        diff += difflib.unified_diff(
            before or [],
            after or [],
            f"a/{name}" if before is not None else "/dev/null",
            f"b/{name}",
            lineterm="",
        )
    text = [
        "Make lamps tell.",
        "",
        "Signed-off-by: Ada <ada@example.org>",
        "---",
        *rows,
        f" {len(rows)} files changed, {counts[0]} insertions(+), {counts[1]} deletions(-)",
        "",
    ]
    return Clean(headers, text + diff)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
