"""Decode text by the label of its charset, if the bytes are what it says.

Labels mean what browsers take them for (WHATWG's table: gb2312 is GBK, iso-8859-1 is windows-1252),
because that is what mailers put under them. docs/decisions/mails.md has more.
"""

from __future__ import annotations

import codecs
import re
from email.errors import HeaderParseError
from email.header import decode_header

import webencodings

# Text encodings that browsers have given up and mails have. No other of Python's is one of mails.
_OLD = re.compile(
    r"utf-?7|utf-?32(?:-?[lb]e)?|iso-?2022-?\w+|hz(?:-gb-2312)?|cp\d+|ibm\d+|johab", re.I
)
_WIDER = {"gbk": "gb18030", "iso2022_jp": "iso2022_jp_ext", "utf-16-le": "utf-16"}
_ASCII = ("us-ascii", "ascii", "unknown-8bit", "x-unknown", "default", "")
_LATIN = re.compile("[\0-\x7f\xa0-\u024f]+")
_STRAY = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8
_ONE_BYTE = re.compile(r"cp125\d|iso8859-\d+|koi8-[ru]|mac-\w+|cp8\d\d")


def decoded(data: bytes, label: str | None) -> tuple[str, str | None]:
    """Return bytes as text, and what is doubtful about that: None if nothing is.

    Text in UTF-8 is recognised under any label of another charset that has one byte per letter:
    nothing else looks like it.
    """
    label = (label or "").strip().strip("\"'").lower()
    if b"\x1b$" in data and label in _ASCII:
        label = "iso-2022-jp"
    if data.isascii() and b"\x1b" not in data and label[:3] not in ("utf", "hz", "hz-"):
        return data.decode("ascii"), None
    if label in _ASCII:
        text = _strictly(data, "utf-8")
        return (text, None) if text is not None else (_anyhow(data), "no charset is stated")
    codec = _codec(label)
    if codec is None:
        return _anyhow(data), f"the charset {label[:40]!r} is not known"
    wrong = f"the text is not in {label[:40]}, as the mail states"
    if _ONE_BYTE.fullmatch(codec):
        text = _strictly(data, "utf-8")
        if text is not None:
            return text, wrong
    text = _strictly(data, codec)
    if text is None:
        return _anyhow(data), wrong
    # Two bytes of an umlaut in UTF-8 are a letter of Chinese as well, and nothing shows which.
    if not data.isascii() and codec != "utf-8" and _LATIN.fullmatch(_strictly(data, "utf-8") or ""):
        return text, f"the text may be in UTF-8, and not in {label[:40]}"
    if "\ufffd" in text or re.search("[\x80-\x9f\ue000-\uf8ff]", text):
        return text, f"a letter that {label[:40]} does not have"
    return text, None


def _codec(label: str) -> str | None:
    """Return the name of Python's codec for a label; None if no mail has it."""
    known = webencodings.lookup(label)
    if known is not None and known.name not in ("replacement", "x-user-defined"):
        name: str = known.codec_info.name
        return _WIDER.get(name, name)
    if not _OLD.fullmatch(label):
        return None
    try:
        return codecs.lookup(label).name
    except LookupError:
        return None


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (LookupError, UnicodeError):
        return None


def _anyhow(data: bytes) -> str:
    """Return bytes in no known charset as text: each is a letter, as in most old mails.

    Where most of what is not ASCII is UTF-8, a program has written it into an older text.
    """
    mixed = data.decode("utf-8", "surrogateescape")
    odd = len(_STRAY.findall(mixed))
    if sum(not letter.isascii() for letter in mixed) > 2 * odd:
        return _STRAY.sub(lambda found: _anyhow(bytes([ord(found[0]) - 0xDC00])), mixed)
    text = _strictly(data, "cp1252")
    return data.decode("latin-1") if text is None else text


def words(value: str) -> str:
    """Return the text of a header field, with its encoded words decoded (RFC 2047)."""
    if "=?" not in value:
        return " ".join(value.split())
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    text = "".join(
        decoded(piece, label)[0] if isinstance(piece, bytes) else piece for piece, label in pieces
    )
    return " ".join(text.split())
