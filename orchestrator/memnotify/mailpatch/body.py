"""The texts of a mail: its parts with their encodings undone, and the mails attached to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from memnotify.mailpatch.charset import decoded
from memnotify.mailpatch.limits import check_data, check_text
from memnotify.mailpatch.page import page_text
from memnotify.mailpatch.transfer import payload_of
from memnotify.mailpatch.unpack import unpacked

_PATCH = re.compile(r".*\.(?:patch|diff|txt|eml|mbox)(?:\.(?:gz|bz2|xz))?", re.IGNORECASE)
_KINDS = re.compile(r"text/.*|application/(?:octet-stream|(?:x-)?(?:patch|diff|gzip))")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartText:
    """A part of a mail: its lines, the name of its file, what was undone, and what is doubtful."""

    lines: tuple[str, ...]
    name: str = ""
    page: bool = False
    undone: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def parts_of(message: Message) -> Iterator[Message]:
    """Yield the parts of a mail, without those of mails that are attached to it."""
    if message.get_content_maintype() == "message":
        return
    if not message.is_multipart():
        yield message
        return
    for part in _parts(message):
        yield from parts_of(part)


def _parts(message: Message) -> Iterator[Message]:
    # Of one that has no parts, get_payload() decodes the text, and some charsets are none to it.
    payload = message.get_payload() if message.is_multipart() else ()
    yield from (part for part in payload if isinstance(part, Message))


def nested_in(message: Message) -> Iterator[Message]:
    """Yield the mails that are attached to a mail, or of which a digest is made."""
    for part in _parts(message):
        if message.get_content_type() == "message/rfc822":
            yield part
        else:
            yield from nested_in(part)


def texts_of(message: Message, path: Path) -> list[PartText]:
    """Return a mail's text parts, in order. Raises InputError for a text that no mail has."""
    texts = [text for part in parts_of(message) if (text := _text_of(part, path)) is not None]
    # An HTML part of a mail repeats its text.
    if any("@@" in line for text in texts if not text.page for line in text.lines):
        return [text for text in texts if not text.page]
    return texts


def _text_of(part: Message, path: Path) -> PartText | None:
    kind = part.get_content_type()
    name = _name_of(part)
    if not _KINDS.fullmatch(kind) and not _PATCH.fullmatch(name):
        return None
    payload, encoding, doubt = payload_of(part)
    label = part.get_content_charset()
    if not (label or "").startswith(("utf-16", "utf-32")):
        payload, label = unpacked(payload, path), label if payload[:2] != b"\x1f\x8b" else None
        if b"\0" in payload:
            return None
    text, wrong = decoded(payload, label)
    text = text.replace("\r\n", "\n") if not re.search(r"@@ -\d[^\n]*[^\r\n]\n", text) else text
    undone = [encoding] if encoding else []
    doubts = tuple(found for found in (doubt, wrong) if found)
    if kind == "text/html":
        check_data(payload, path, page=True)
        lines = page_text(text)[0]
        undone.append("HTML")
        return PartText(lines=tuple(lines), page=True, undone=tuple(undone), doubts=doubts)
    lines = text.removeprefix("\ufeff").split("\n")
    check_text(lines, path)
    if str(part.get_param("format", "")).lower() == "flowed":
        lines = unflowed(lines, delsp=str(part.get_param("delsp", "")).lower() == "yes")
        undone.append("format=flowed")
    return PartText(lines=tuple(lines), name=name, undone=tuple(undone), doubts=doubts)


def _name_of(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (LookupError, UnicodeError, ValueError):
        return ""


def unflowed(lines: Sequence[str], *, delsp: bool) -> list[str]:
    """Undo format=flowed (RFC 3676): join lines that end with a blank, remove space-stuffing."""
    done: list[str] = []
    going = False
    for line in lines:
        text = line[1:] if line.startswith(" ") else line
        soft = text.endswith(" ") and text != "-- "
        kept = text[:-1] if soft and delsp else text
        if going:
            done[-1] += kept
        else:
            done.append(kept)
        going = soft
    return done
