"""Find where each mail begins in the bytes of an mbox, whatever program wrote its From_ lines."""

from __future__ import annotations

import re

FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_FROM = re.compile(rb"^From [^\n]*\n", re.MULTILINE)
_DATED = re.compile(rb"From \S+ .*\d\d:\d\d:\d\d")
_COMMIT = re.compile(rb"From [0-9a-f]{40} ")
_USUAL = (b"from", b"date", b"subject", b"message-id", b"received", b"to", b"return-path")
_OURS = b"x-memnotify-source"  # of a patch that an import has written
_LOOKED_AT = 16_000  # bytes of headers


def starts_of(data: bytes) -> list[int]:
    """Return where each mail begins; [] if this is no mbox.

    A From_ line has a date, in one of many forms, or it is known by the headers below it.
    """
    if not data.startswith(b"From "):
        return []
    found = [match for match in _FROM.finditer(data) if _is_start(data, match)]
    if not found or found[0].start():
        return []
    return [match.start() for match in found]


def _is_start(data: bytes, line: re.Match[bytes]) -> bool:
    at = line.start()
    if _DATED.match(line[0]) or (at == 0 and _COMMIT.match(line[0])):
        return True
    alone = at == 0 or data[at - 2 : at] in (b"\n\n", b"\r\n")
    return alone and has_headers(data[line.end() : line.end() + _LOOKED_AT])


def has_headers(data: bytes) -> bool:
    """Return whether bytes begin with a block of headers that has at least two of a mail's."""
    block = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]
    lines = block.split(b"\n")
    if not FIELD.match(lines[0].removeprefix(b">")) and not lines[0].startswith(b">From "):
        return False
    names = {found[0].rstrip(b" \t:").lower() for line in lines if (found := FIELD.match(line))}
    return len(names.intersection((*_USUAL, _OURS))) > 1
