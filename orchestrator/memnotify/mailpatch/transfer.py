"""Undo transfer encodings (RFC 2045), even where no header states one."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Sequence
from email.message import Message

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4,}={0,2}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)\s*")
_ESCAPE = re.compile(r"=[0-9A-F]{2}")
# Those that any diff gets: of a sign, of the blank that is a line, or ends one, and of UTF-8.
_OF_ENCODER = re.compile(
    r"=3D|^=20$|(?<![?&]id)=20$|=09$|=[C-F][0-9A-F]=[89AB][0-9A-F]", re.MULTILINE
)
_RAW_SIGN = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")
_LONG = 40  # letters of base64 that no text has in one line
_DIFF = re.compile(r"^(?:@@ -\d|diff -|--- \S|\+\+\+ \S)", re.MULTILINE)

NOT_ENCODED = "the text is not quoted-printable, as the mail states"
UNDECODED = "quoted-printable that no header states"


def payload_of(part: Message) -> tuple[bytes, str, str | None]:
    """Return the bytes of a part, the encoding that was undone, and what is doubtful about that."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().strip("\"';").lower()
    if encoding in ("base64", "quoted-printable"):
        # What is undone here instead.
        del part["Content-Transfer-Encoding"]
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return b"", "", None
    if encoding == "base64":
        return _from_base64(data), encoding, None
    if encoding == "quoted-printable":
        if _RAW_SIGN.search(data):
            # An encoder leaves no = as it is: this text was decoded before, or never encoded.
            if not _has_escapes(data):
                return data, "", None
            return quopri.decodestring(data), encoding, NOT_ENCODED
        return quopri.decodestring(data), encoding, None
    return data, "", None


def _has_escapes(data: bytes) -> bool:
    return re.search(rb"=3D|=20[ \t]*\r?\n|=[ \t]*\r?\n|=[C-F][0-9A-F]=[89AB]", data) is not None


def _from_base64(data: bytes) -> bytes:
    """Return what lines of base64 encode, with the text that a list has added below them."""
    lines = data.split(b"\n")
    end = 0
    while end < len(lines) and (not lines[end].strip() or _BASE64.fullmatch(lines[end])):
        end += 1
    below = lines[end:]
    try:
        text = base64.b64decode(b"".join(lines[:end]))
    except binascii.Error:
        # The last letters are missing.
        whole = b"".join(b"".join(lines[:end]).split()).rstrip(b"=")
        text = base64.b64decode(whole[: len(whole) // 4 * 4])
    return text + (b"\n" + b"\n".join(below) if any(map(bytes.strip, below)) else b"")


def undecoded(lines: Sequence[str]) -> tuple[list[str], str | None]:
    """Return lines with base64 or quoted-printable undone that no header states, and which it was.

    Base64 is replaced only by a diff. Quoted-printable is recognised by its = signs, of which an
    encoder leaves none: each has two digits behind it, or ends a line.
    """
    found = _runs_of_base64(lines)
    if found is not None:
        return found, "base64"
    begin = next((at for at, line in enumerate(lines) if _DIFF.match(line)), None)
    if begin is None:
        return list(lines), None
    text = "\n".join(lines[begin:])
    signs = text.count("=")
    ends = len(re.findall(r"=$", text, re.MULTILINE))
    escapes = _ESCAPE.findall(text)
    # An address such as ?id=2944 has an escape as well, and C has lines that end with a sign.
    if signs != len(escapes) + ends or not _OF_ENCODER.search(text):
        return list(lines), None
    data = quopri.decodestring("\n".join(lines).encode("utf-8", "surrogateescape"))
    try:
        return data.decode().split("\n"), "quoted-printable"
    except UnicodeDecodeError:
        return list(lines), None


def _runs_of_base64(lines: Sequence[str]) -> list[str] | None:
    done: list[str] = []
    at = 0
    changed = False
    while at < len(lines):
        end = at
        while end < len(lines) and _is_base64(lines[end], first=end == at):
            end += 1
        text = _text_of("".join(lines[at:end])) if end > at else None
        if text is None or not _DIFF.search(text):
            end = max(end, at + 1)
            done += lines[at:end]
        else:
            done += text.split("\n")
            changed = True
        at = end
    return done if changed else None


def _is_base64(line: str, *, first: bool) -> bool:
    bare = line.strip()
    return (len(bare) >= _LONG or not first) and bool(
        bare.isascii() and _BASE64.fullmatch(bare.encode())
    )


def _text_of(letters: str) -> str | None:
    try:
        return base64.b64decode("".join(letters.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
