"""Rules for the documentation: layout and wording, and that everything it names exists.

Docstrings and comments follow the rule of wording as well. proselint and codespell run in
`make lint`; these are this project's own rules. They ignore code blocks.
"""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
from memnotify import places

from tests.support.prose import (
    WIDTH,
    documents,
    is_table,
    messages,
    outside_code,
    passages,
    programs,
    sentence_ends,
    table_passages,
    tables,
    without_spans,
)

# Wording that is not plain English, and its replacement.
BANNED = {
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bto the bit\b": "bit for bit",
    r"\brecord for record\b": "record by record",
    r"\b(?:can|could|cannot|not) be had\b|\bto be had\b|\bcan be got\b": "is available",
    r"\b(?:was|were|is) to hand\b": "available",
    r"\bput to the test\b": "exercised, tested",
    r", too\b": "also, or 'too' without a comma",
    r"\banew\b": "again",
    r"\bvouch(?:es|ed)?\b": "verify, guarantee",
    r"\bfor (?:want|lack) of\b": "without",
    r"\bfor ever\b": "forever",
    r"\bpart(?:ed)? from the others\b": "diverge",
    r"\bat the (?:soonest|nearest|least)\b": "at the earliest, at least",
    r"\bin place of\b": "instead of",
    r"\ball the same\b": "nevertheless",
    r"\bbut for (?:the|that|its|those|an?)\b": "except for",
    r"\bheed(?:s|ed)?\b": "honour, take into account",
    r"\bput right\b": "fix",
    r"\bworked out\b": "computed",
    r"\b(?:says?|said) of (?:each|every|it|them|an?|the|what)\b": "say about, report for",
    r"\bwhat came (?:out|of)\b": "the result",
    r"\bwhat was seen\b": "results",
    r"\bsometimes? it may\b": "may",
    r"\b(?:who|what) there is\b": "all, everything",
    r"(?:^|[.:;] )Who (?!.*\?)": "a subject: 'A process that …'",
    r"\bit is there\b": "if it exists",
    r"\bdead of\b": "killed by",
    r"\bcan this machine\b": "check that this machine can",
    r"\bof today\b": "present-day, current",
    r"\b(?:is|are|was|were|stands?) there (?:once|twice)\b": "occurs twice",
    r"\bquiet host\b": "idle host",
}
# The same for docstrings and comments, in addition to the above.
BANNED_IN_CODE = {
    r"(?:^|[.:;] )(?:Tell|Say) (?:if|whether)\b": "Return whether",
    r"(?:^|[.:;] )Whom\b(?!.*\?)": "a subject: 'The tasks that …'",
    r"\b(?:what|which|that) is no (?!longer\b|more\b|less\b|better\b|worse\b|reason\b)": "is not a",
    r"\bof which (?:nobody|none|no|there is no)\b": "for which no, without",
    r"\btells? of\b": "describe, report",
    r"\bnothing tells\b": "nothing shows",
    r"\b(?:none such|such a one)\b": "none, such a file",
    r"\bstands? there\b": "exists, occurs",
    r"\b(?:is|are|was|were) had\b": "is available, exists",
    r"\b(?:else|otherwise) than\b": "other than, except",
    r"\banother(?: \w+){0,2} than\b": "a different one from, one other than",
    r"\blet pass\b": "accept",
    r"\bsees? to it\b": "handle",
    r"\bwithout a word\b": "silently",
    r"\bclear(?:s|ed)? away\b": "remove",
}


# A document tells what is. What was belongs into CHANGELOG.md and the messages of the commits.
HISTORY = re.compile(
    r"\bany ?more\b|(?<!is )(?<!are )(?<!be )\bused to (?!make\b|measure\b|test\b)|"
    r"\buntil it had\b|\ban earlier (?:version|form) of (?:this|the)\b|\bin the first plan\b|"
    r"\b(?:have|has|do|does|takes?) it now\b|\bnow (?:fails?|takes?|pass(?:es)?)\b|\bpass now\b",
    re.IGNORECASE,
)


_AT_THE_BEGINNING = "(?:^"


def _compiled(banned: Mapping[str, str]) -> Mapping[re.Pattern[str], str]:
    # A pattern that matches the beginning of a sentence is case-sensitive.
    return {
        re.compile(pattern, 0 if pattern.startswith(_AT_THE_BEGINNING) else re.IGNORECASE): better
        for pattern, better in banned.items()
    }


_BANNED = _compiled(BANNED)
_BANNED_IN_CODE = _compiled(BANNED | BANNED_IN_CODE)
# Names of files that are made later, or belong to a user or to another tree.
NOT_HERE = re.compile(
    r"[<>*…{}$]|\.\.\.|\bNAME\b|\bREV\b|\bBASE\b|NN-|"
    r"^bench/results/|^kernels/2\.6\.24-rc6-mm1\.lock$|^runs/|^tests/unit/…|mm/|arch/|my-v4"
)
TOP = ("kernels", "patches", "images", "campaigns", "orchestrator", "tests", "bench", "docs", ".ci")
PATH = re.compile(rf"(?<![\w./-])((?:{'|'.join(map(re.escape, TOP))})/[\w./*<>{{}}…$-]*[\w/*>}}…])")
BESIDE = re.compile(r"`(\.\./[^`#\s]+)")
PACKAGE = places.HOME / "orchestrator/memnotify"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
MODULE = re.compile(rf"`(?:memnotify/)?((?:{'|'.join(ROOMS)})/(?!test_)[\w/<>]+\.(?:py|j2))`")
TEST = re.compile(r"`(?:(\w+)/)?((?:test|made)_\w+\.py)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

Rule = Callable[[Path, str], list[str]]


def layout(path: Path, text: str) -> list[str]:
    """Check: one sentence per line; at most 120 columns, except tables and unbreakable words."""
    found = []
    for number, line in outside_code(text):
        if is_table(line) or line.startswith("#"):
            continue
        if len(line) > WIDTH and " " in line.strip():
            found.append(f"{number}: {len(line)} columns")
        found += [
            f"{number}: a sentence ends in the line, at '{line[max(0, at - 20) : at]}'"
            for at in sentence_ends(line)
        ]
    return found


def wording(path: Path, text: str) -> list[str]:
    found = []
    for number, line in outside_code(text):
        bare = without_spans(line)
        found += [
            f"{number}: '{match[0].strip()}': write {better}"
            for pattern, better in _BANNED.items()
            for match in pattern.finditer(bare)
        ]
    return found


def history(path: Path, text: str) -> list[str]:
    """Check that a document tells nothing of its own past."""
    if path.name == "CHANGELOG.md":
        return []
    return [
        f"{number}: '{match[0]}': write what is"
        for number, line in outside_code(text)
        for match in HISTORY.finditer(without_spans(line))
    ]


def code_wording(path: Path, text: str) -> list[str]:
    """Check docstrings and comments for banned phrases, within a line or across two."""
    return [
        f"{passage.line_of(match.start())}: '{match[0].strip()}': write {better}"
        for passage in passages(text)
        for pattern, better in _BANNED_IN_CODE.items()
        for match in pattern.finditer(without_spans(passage.text))
    ]


def message_wording(path: Path, text: str) -> list[str]:
    """Check messages, helps and titles; a label may be a clause, such as "Who posted it"."""
    return [
        f"{line.number}: '{match[0].strip()}': write {better}"
        for line in messages(text)
        for pattern, better in _BANNED_IN_CODE.items()
        if not pattern.pattern.startswith(_AT_THE_BEGINNING)
        for match in pattern.finditer(without_spans(line.text))
    ]


def table_wording(path: Path, text: str) -> list[str]:
    """Check the comments and texts of a TOML file for banned phrases."""
    return [
        f"{passage.line_of(match.start())}: '{match[0].strip()}': write {better}"
        for passage in table_passages(text)
        for pattern, better in _BANNED_IN_CODE.items()
        for match in pattern.finditer(without_spans(passage.text))
    ]


def slug(heading: str) -> str:
    """Return GitHub's anchor for a heading."""
    text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading.lstrip("#").strip()).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(path: Path) -> set[str]:
    return {slug(line) for _, line in outside_code(path.read_text()) if line.startswith("#")}


def links(path: Path, text: str) -> list[str]:
    found = []
    for number, line in outside_code(text):
        for match in LINK.finditer(line):
            target, _, anchor = match[1].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (path.parent / target).resolve() if target else path
            if not file.exists():
                found.append(f"{number}: the link {match[1]} leads nowhere")
            elif anchor and anchor not in anchors(file):
                found.append(f"{number}: {target or path.name} has no heading for #{anchor}")
    return found


def paths(path: Path, text: str) -> list[str]:
    """Check that every path of this project in a document exists, also in code blocks."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        named = [(places.HOME / match[1], match[1]) for match in PATH.finditer(line)]
        named += [(path.parent / match[1], match[1]) for match in BESIDE.finditer(line)]
        named += [(PACKAGE / match[1], match[1]) for match in MODULE.finditer(line)]
        found += [
            f"{number}: there is no {name}"
            for file, name in named
            if not NOT_HERE.search(name) and not file.exists()
        ]
        found += [
            f"{number}: there is no test {match[2]}"
            for match in TEST.finditer(line)
            if not any(
                any(places.HOME.glob(f"{folder}{match[2]}"))
                for folder in (f"tests/{match[1] or '*'}/", f"{match[1]}/", "campaigns/")
            )
        ]
    return found


RULES: list[Rule] = [layout, wording, history, links, paths]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(places.HOME)))
def test_a_document_keeps_the_rule(path: Path, rule: Rule) -> None:
    found = rule(path, path.read_text())
    name = path.relative_to(places.HOME)
    assert not found, "\n".join(f"{name}:{one}" for one in found)


def test_docstrings_and_comments_keep_the_rule_of_wording() -> None:
    files = programs()
    assert files
    found = [
        f"{file.relative_to(places.HOME)}:{one}"
        for file in files
        for one in code_wording(file, file.read_text())
    ]
    assert not found, "\n".join(found)


def test_messages_keep_the_rule_of_wording() -> None:
    files = [file for file in programs() if file.is_relative_to(places.HOME / "orchestrator")]
    assert files
    found = [
        f"{file.relative_to(places.HOME)}:{one}"
        for file in files
        for one in message_wording(file, file.read_text())
    ]
    assert not found, "\n".join(found)


def test_campaigns_keep_the_rule_of_wording() -> None:
    files = tables()
    assert {file.parent.name for file in files} >= {"campaigns", "hypotheses", "published"}
    found = [
        f"{file.relative_to(places.HOME)}:{one}"
        for file in files
        for one in table_wording(file, file.read_text())
    ]
    assert not found, "\n".join(found)


def test_a_phrase_is_reported_at_its_line() -> None:
    text = 'a = 1\n"""A number.\n\nIt is put there\nin place of\na name."""\n# one\n# anew\n'
    assert [one.split(":")[0] for one in code_wording(places.HOME, text)] == ["5", "8"]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (layout, "One sentence.\nAnother one, e.g. this `a. b`.\n", "One sentence. Another one.\n"),
        (layout, "- An item.\n  It goes on.\n", "- An item. It goes on.\n"),
        (layout, "1. An item (really).\n", "1. An item (really.) And more.\n"),
        (layout, f"```\n{'a ' * 80}\nOne. Two.\n```\n", "a " * 80),
        (layout, f"| {'a ' * 80} |\n", f"- {'a ' * 80}\n"),
        (wording, "The patch fixes it.\n", "The patch mends it.\n"),
        (wording, "`mend` is a name.\n", "| a cell | the records are the same to the bit |\n"),
        (wording, "Who is told?\n", "Who is killed leaves the queue.\n"),
        (wording, "It may do so too.\n", "It may, if it is there, too.\n"),
        (history, "The option is used to find it.\n", "It used to fail.\n"),
        (history, "2.6.25 no longer has it.\n", "Nobody waits any more.\n"),
        (history, "A test fails now and then.\n", "All 15 pass now.\n"),
        (code_wording, "a = 1  # fixed\n", "a = 1  # mended\n"),
        (code_wording, 'says = "anew"  # again\n', '"""Build it anew."""\n'),
        (code_wording, '"""Use `mend`."""\n', 'a = 1\n"""A number, in\nplace of a name."""\n'),
        (code_wording, "# in place\n\n# of it\n", "if a:\n    # a in place\n    # of b\n    b()\n"),
        (code_wording, "# that is no reason\n", "# for what is no file\n"),
        (code_wording, '"""Return whether."""\n', '"""A file.\n\nTell if it is one."""\n'),
        (message_wording, 'say("One of each")\n', 'say("One in place of each")\n'),
        (message_wording, '"""A docstring of today."""\n', 'say(f"{name} is there twice")\n'),
        (message_wording, 'say("use `mend`", "mend")\n', 'say("a name, "\n"anew")\n'),
        (table_wording, "a = 1\n# What is\n# it?\n", "# One in\n# place of two.\n"),
        (table_wording, 'says = "it"\n', 'says = "it is vouched for"\n'),
        (links, "[a](../README.md) [b](#head)\n# Head\n", "[a](nowhere.md)\n"),
        (links, "[a](howto/ci.md#cells-as-tests)\n", "[a](howto/ci.md#cells-as-test)\n"),
        (paths, "`docs/howto/ci.md`, `tests/unit/`\n", "`docs/ci.rst`\n"),
        (paths, "`kernels/<base>.toml`\n", "see tests/units/ and so on\n"),
        (paths, "`test_host.py`, `unit/test_show.py`\n", "`faults/test_show.py`\n"),
        (paths, "`../docs/howto/ci.md`\n", "`../ci.md`\n"),
        (paths, "| `check/promises.py` | `cli/<name>.py` |\n", "| `check/promise.py` |\n"),
    ],
)
def test_a_rule_can_fail(
    tmp_path: Path, rule: Rule, good: str, bad: str, request: pytest.FixtureRequest
) -> None:
    document = places.HOME / "docs/made-up.md"
    if "#head" in good:
        document = tmp_path / "docs/made-up.md"
        document.parent.mkdir()
        document.write_text(good)
        (tmp_path / "README.md").touch()
    assert rule(document, good) == []
    assert len(rule(document, bad)) >= 1


def test_the_picture_of_the_rooms_is_current(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = runpy.run_path(str(places.HOME / "docs/draw_architecture.py"))
    main, where = program["main"], program["main"].__globals__
    monkeypatch.setattr(sys, "argv", ["draw_architecture.py", "--check"])
    assert main() == 0, "run `make architecture`"
    where["PICTURE"] = tmp_path / "architecture.svg"
    assert main() == 1
    where["PICTURE"].write_text("<svg/>")
    assert main() == 1


def test_the_linters_are_configured() -> None:
    """`make lint` calls them; without this table codespell would read the patches."""
    config = tomllib.loads((places.HOME / "pyproject.toml").read_text())["tool"]["codespell"]
    assert "*.patch" in config["skip"]
    makefile = (places.HOME / "Makefile").read_text()
    for linter in ("codespell", "tests.support.prose", "ruff check", "mypy", "lint-imports"):
        assert linter in makefile, linter
