"""The content of a line, whatever its white space: its tokens, and a key to find it by."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from pathlib import PurePosixPath

# C11 6.4, preprocessing tokens. No lexer library is used: they need whole files, and this module
# compares fragments, with comments and strings that begin or end elsewhere.
_C = re.compile(
    r"""
      (?P<comment> /\*.*?(?:\*/|\Z) | //.*?(?:\n|\Z) )
    | (?P<token>
        (?:u8|[uUL])?"(?:\\.|[^"\\\n])*(?:"|$)
      | [uUL]?'(?:\\.|[^'\\\n])*(?:'|$)
      | \.?[0-9](?:[eEpP][+-]|[\w.])*
      | [^\W\d]\w*
      | %:%: | \.\.\. | <<= | >>= | \#\# | -> | \+\+ | -- | << | >> | <= | >= | == | != | && | \|\|
      | \*= | /= | %= | \+= | -= | &= | \^= | \|= | <: | :> | <% | %> | %:
      | [^ \t\n\r\f\v] )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_C_NAMES = (".c", ".h", ".S", ".y", ".l")

BLANKS = string.whitespace
"""White space for programs. Other Unicode blanks are text: only archives use them for blanks."""

_BLANKS = re.compile(r"\s+")
_WORDS = re.compile(f"[^{BLANKS}]+")
MARKS = {
    **dict.fromkeys("\u00a0\u2007\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u2060\ufeff\u00ad", ""),
}
"""Odd blanks and invisible marks, and what a reader sees for each."""
_FOREIGN = re.compile("[^\\x00-\\x7f]+|\\?+")
# How archives mask addresses. MHonArc and hypermail: all after the @; openwall: its beginning;
# MARC, pipermail, gmane: the @ and the dots, with words; content networks: the whole.
_NAME = r"(?<![\w.+-])[\w.+-]+"  # does not match again within itself
_ADDRESS = re.compile(
    r"\[email protected\]"
    rf"|{_NAME}@[\w.-]*\w"
    rf"|{_NAME} \(\) [\w-]+(?: ! [\w-]+)+"
    rf"|{_NAME} (?:at|<at>|\(at\)|\[at\]) [\w-]+(?:\.[\w-]+)+"
)
_MASKED = re.compile(
    r"\[email protected\]"
    rf"|{_NAME}@(?:[xX]{{4,}}|\.\.\.)"
    rf"|{_NAME} \(\) [\w-]+(?: ! [\w-]+)+"
    rf"|{_NAME} (?:at|<at>|\(at\)|\[at\]) [\w-]+\.[\w.-]+(?=>)"
)
_MAY_HOLD_ADDRESS = ("@", " at ", " () ", " <at> ", "(at)", "[at]", "[email")


def is_c(name: str) -> bool:
    """Return whether a file is C, or is run through the C preprocessor, by its name."""
    return PurePosixPath(name).suffix in _C_NAMES


def is_makefile(name: str) -> bool:
    """Return whether a file is read by make, by its name."""
    return PurePosixPath(name).name in ("Makefile", "Kbuild") or name.endswith(".mk")


def tokens(lines: Iterable[str], *, c: bool) -> list[str]:
    """Return the tokens of lines: those of C, or else words; a comment gives its words.

    Strings are tokens, so white space in them counts.
    """
    text = "\n".join(lines)
    if not c:
        return _WORDS.findall(text)
    found: list[str] = []
    for match in _C.finditer(text):
        found += _WORDS.findall(match["comment"]) if match["comment"] else [match["token"]]
    return found


def code_of(line: str) -> str:
    """Return a line of C with a blank instead of each comment and string."""
    return _C.sub(lambda m: " " if m["comment"] or m[0][-1:] in "\"'" else m[0], line)


def plain(line: str, marks: Iterable[str] = MARKS) -> str:
    """Return a line with ordinary blanks for odd ones, and without invisible marks.

    `marks` are those to replace or remove, by default all.
    """
    if line.isascii():
        return line
    return line.translate({ord(mark): MARKS[mark] for mark in marks})


def masked(line: str) -> list[str]:
    """Return the addresses in a line that an archive has masked."""
    return _MASKED.findall(line)


def key(line: str) -> str:
    """Return the part of a line that all archives keep: no white space, addresses or accents."""
    bare = "".join(line.split())
    plain_enough = bare.isascii() and "?" not in bare
    if plain_enough and not any(sign in line for sign in _MAY_HOLD_ADDRESS):
        return bare
    text = _ADDRESS.sub("\0", _BLANKS.sub(" ", plain(line)))
    return _FOREIGN.sub("?", _BLANKS.sub("", text))


def in_string(text: str) -> bool:
    """Return whether a piece of C ends within a string."""
    found = tokens([text], c=True)
    return bool(found) and re.fullmatch(r'(?:u8|[uUL])?"(?:\\.|[^"\\])*', found[-1]) is not None


def in_comment(text: str, before: bool) -> bool:
    """Return whether a comment continues after a line of C; `before`: one was open before it."""
    rest = text
    if before:
        _, closed, rest = text.partition("*/")
        if not closed:
            return True
    return any(
        match["comment"]
        and match["comment"].startswith("/*")
        and not match["comment"].endswith("*/")
        for match in _C.finditer(rest)
    )
