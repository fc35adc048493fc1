"""Names of mails in the forms that people paste: Message-Ids, alone or in an archive's address."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from memnotify.errors import InputError

# What headers have before a Message-Id, and searches of notmuch and public-inbox.
_LABEL = re.compile(r"(?:message-?id|in-reply-to|references|msgid|mid|news|id|m|i)\s*[:=]\s*", re.I)
_ID = re.compile(r"(?!-)[^\s<>@\"/]+@(?:[^\s<>@/\[\]]+|\[[^\s<>@/]+\])")
_BRACKETED = re.compile(r"<\s*((?!-)[^\s<>@]+@[^\s<>@]+)\s*>")
_ADDRESS = re.compile(r"\w+://|//|(?:[\w-]+\.)+(?:org|info|com|net|link)/", re.I)
# The pages of one mail, below its name: public-inbox's and patchwork's.
_PAGES = ("", "raw", "T", "t", "t.mbox.gz", "t.atom", "mbox", "mbox.gz", "s", "R", "d", "o")
# There it is a Message-Id whatever it looks like; elsewhere it may be the name of a list.
_BY_ID = re.compile(r"(?:lore|lkml)\.kernel\.org|msgid\.link|mid\.\S+|public-inbox\.org")
_QUERIES = ("i", "q", "id", "mid", "msgid", "messageid", "message-id", "in-reply-to")


def message_id(text: str) -> str | None:
    """Return the Message-Id that a word names: itself, behind a label, or in an address; or None.

    Raises InputError for an address without one: archives that number their mails are not asked.
    """
    word = html.unescape(text).strip().strip("\"'`").strip()
    if word.startswith("<") and _ADDRESS.match(word[1:]):
        word = word[1:].removesuffix(">")
    if _ADDRESS.match(word):
        found = _in_address(word)
        if found is None:
            raise InputError(
                "no Message-Id in this address",
                file=text,
                hint="save the page from a browser and give the file, or name the mail by its "
                "Message-Id",
            )
        return found
    label = _LABEL.match(word)
    bare = word[label.end() :].strip() if label else word
    bracketed = _BRACKETED.fullmatch(bare.rstrip(".,;"))
    if bracketed:
        return bracketed[1]
    found = bare.strip("<>")
    return unquote(found) if _ID.fullmatch(unquote(found)) else None


def _in_address(address: str) -> str | None:
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        host = parts.hostname or ""
    except ValueError:
        return None
    for name, _, value in (item.partition("=") for item in re.split("[&;]", parts.query)):
        if name.lower() in _QUERIES:
            value = unquote(value).strip()
            label = _LABEL.match(value)
            bare = (value[label.end() :] if label else value).strip("<> ")
            if _is_id(bare):
                return bare
    return next(_ids_in(parts.path, sure=_BY_ID.fullmatch(host) is not None), None)


def _ids_in(path: str, *, sure: bool) -> Iterator[str]:
    """Yield the parts of a path that are Message-Ids, with nothing below but pages of that mail."""
    segments = [unquote(part) for part in path.split("/")]
    for at, segment in enumerate(segments):
        bare = segment.strip("<> ")
        below = segments[at + 1 :]
        named = sure or re.search(r"\d", bare.partition("@")[0])
        if named and _is_id(bare) and all(page in _PAGES for page in below):
            yield bare


def _is_id(text: str) -> bool:
    return re.fullmatch(r"(?!-)[^\s<>@]+@[^\s<>@]+", text) is not None
