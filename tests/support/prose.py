"""The prose of the documentation, without code blocks, tables and code spans.

`python -m tests.support.prose` runs proselint on it. proselint does not know Markdown, and would
read the output of programs as English.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from memnotify import places

WIDTH = 120
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_TARGET = re.compile(r"\]\([^)\s]*\)")
# A full stop, followed by a blank, that does not end a sentence.
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|vs|cf|etc)\.|\.\.\.|…)[)\"'*]*$")
_END = re.compile(r"[.!?][)\"'*_\]]*(?=\s+\S)")


class Line(NamedTuple):
    number: int
    text: str


def documents(root: Path = places.HOME) -> list[Path]:
    """Return the documents in git, so that runs and virtual environments are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted(root / name for name in listed.split("\0") if name and (root / name).exists())


def outside_code(text: str) -> Iterator[Line]:
    """Yield the lines outside of code blocks, fenced or indented."""
    fence, before = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            continue
        if mark:
            fence = mark[1]
            continue
        indented = line.startswith("    ") and not _ITEM.match(line)
        if not (indented and before == ""):
            yield Line(number, line)
            before = line.strip()


def is_table(line: str) -> bool:
    return line.lstrip().startswith("|")


def without_spans(text: str) -> str:
    """Return the text with the same length and lines, with code spans and link targets blanked."""
    text = _SPAN.sub(lambda span: re.sub(r"[^\n]", "x", span[0]), text)
    return _TARGET.sub(lambda target: "]" + "x" * (len(target[0]) - 1), text)


def sentence_ends(line: str) -> list[int]:
    """Return where a sentence ends within the line and another one follows."""
    bare = without_spans(_ITEM.sub(lambda item: " " * len(item[0]), line))
    return [
        end.end()
        for end in _END.finditer(bare)
        if bare[: end.start()].strip() and not _ABBREVIATION.search(bare[: end.end()])
    ]


def prose_only(text: str) -> str:
    """Return the text for proselint: each line in its place, empty if it is not prose."""
    lines = [""] * len(text.splitlines())
    for number, line in outside_code(text):
        if not is_table(line) and not line.startswith("#"):
            lines[number - 1] = line
    # Replace each code span by a different word, so that no blanks meet and no word repeats.
    count = iter(range(10**6))
    return _SPAN.sub(lambda span: f"N{next(count)}" + "\n" * span[0].count("\n"), "\n".join(lines))


def main() -> int:
    """Run proselint on the prose of every document. Print what it finds, with the true paths."""
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        copies = {}
        for path in documents():
            copy = Path(folder, str(path.relative_to(places.HOME)).replace("/", "__"))
            copy.write_text(prose_only(path.read_text()))
            copies[str(copy)] = path.relative_to(places.HOME)
        done = subprocess.run(
            [
                Path(sys.executable).with_name("proselint"),
                *("check", "--config", str(places.HOME / ".proselintrc.json")),
                *("--output-format", "json", *copies),
            ],
            capture_output=True,
            check=False,
            text=True,
        )
    try:
        results = json.loads(done.stdout)["result"]
    except (ValueError, KeyError):
        sys.exit(f"proselint failed: {done.stderr or done.stdout}")
    for name, result in results.items():
        path = copies[unquote(urlsplit(name).path)]
        for finding in result.get("diagnostics", []):
            found += 1
            print(f"{path}:{finding['pos'][0]}: {finding['check_path']}: {finding['message']}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
