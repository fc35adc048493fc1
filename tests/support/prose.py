"""The prose of the documentation, and of the docstrings and comments of the code.

Of documents it leaves out code blocks, tables and code spans. `python -m tests.support.prose` runs
proselint on the rest: proselint does not know Markdown, and would read the output of programs as
English.
"""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tempfile
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
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


class Passage(NamedTuple):
    """A docstring or a block of comments: the number of its first line, and its lines."""

    number: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines joined with blanks, so that a phrase may span two lines."""
        return "".join(f"{line} " for line in self.lines if line)

    def line_of(self, offset: int) -> int:
        """Return the number of the line that an offset in the text is on."""
        ends = accumulate(len(line) + bool(line) for line in self.lines)
        return self.number + bisect_right(list(ends), offset)


def documents(root: Path = places.HOME) -> list[Path]:
    """Return the documents in git, so that runs and virtual environments are left out."""
    return _listed(root, "*.md")


def programs(root: Path = places.HOME) -> list[Path]:
    """Return the Python files in git of the package, the tests and the benchmarks."""
    return _listed(root, "orchestrator/*.py", "tests/*.py", "bench/*.py")


def tables(root: Path = places.HOME) -> list[Path]:
    """Return the campaigns, scenarios and published figures in git."""
    return _listed(root, "campaigns/*.toml")


def table_passages(source: str) -> Iterator[Passage]:
    """Yield the text of a TOML file: each block of comments, and each other line by itself."""
    block: list[str] = []
    for number, line in enumerate([*source.split("\n"), ""], 1):
        if line.startswith("#"):
            block.append(line.lstrip("#").strip())
            continue
        if block:
            yield Passage(number - len(block), tuple(block))
            block = []
        yield Passage(number, (line.strip(),))


def _listed(root: Path, *patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted(root / name for name in listed.split("\0") if name and (root / name).exists())


def passages(source: str) -> Iterator[Passage]:
    """Yield the docstrings of a Python program, including those of attributes, and its comments.

    Consecutive lines with only a comment are one passage.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                lines = (line.strip() for line in text.split("\n"))
                yield Passage(node.lineno, tuple(lines))
    block: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            if block and not (alone and _goes_on(block[-1], token)):
                yield _comments(block)
                block = []
            block.append(token)
    if block:
        yield _comments(block)


def messages(source: str) -> Iterator[Line]:
    """Yield the texts of a Python program that are not docstrings: messages, helps and titles.

    A text without a blank is a name. Of a text with values, each part between them is yielded.
    """
    tree = ast.parse(source)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if node not in docstrings and " " in text:
                yield Line(node.lineno, text)


def _goes_on(before: tokenize.TokenInfo, token: tokenize.TokenInfo) -> bool:
    return token.start == (before.start[0] + 1, before.start[1])


def _comments(block: list[tokenize.TokenInfo]) -> Passage:
    lines = (token.string.lstrip("#").strip() for token in block)
    return Passage(block[0].start[0], tuple(lines))


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
