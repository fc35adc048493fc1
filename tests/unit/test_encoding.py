"""Text files are UTF-8 in every locale: each place that opens one says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import memnotify
import pytest

PACKAGE = Path(memnotify.__file__).parent


def without_encoding(source: str) -> Iterator[str]:
    """Yield the calls that open a text file in the encoding of the locale."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and _opens_text(call):
            told = {keyword.arg for keyword in call.keywords}
            # The encoding is the first argument of read_text().
            first = isinstance(call.func, ast.Attribute) and call.func.attr == "read_text"
            if "encoding" not in told and not (first and call.args):
                yield ast.unparse(call)


def _opens_text(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr="read_text" | "write_text"):
            return True
        case ast.Attribute(value=ast.Name("os" | "self" | "tarfile" | "web" | "opener")):
            return False
        case ast.Attribute(attr="open"):
            mode = call.args[:1]
        case ast.Name("open"):
            mode = call.args[1:2]
        case _:
            return False
    match mode:
        case [ast.Constant(str(text))]:
            return "b" not in text
    return not mode


def test_every_text_file_is_opened_as_utf_8() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    found = {
        f"{file.relative_to(PACKAGE)}: {call}"
        for file in files
        for call in without_encoding(file.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    "call",
    ["p.read_text()", "p.write_text(x)", "open(p)", "open(p, 'w')", "p.open('a')", "p.open()"],
)
def test_a_call_without_an_encoding_is_found(call: str) -> None:
    assert list(without_encoding(call)) == [call]


@pytest.mark.parametrize(
    "call",
    ["p.read_text('utf-8')", "open(p, 'rb')", "p.open('wb')", "os.open(p, 1)", "read_text(p)"],
)
def test_a_call_that_is_right_is_not_found(call: str) -> None:
    assert list(without_encoding(call)) == []
