"""Mails in every form and with every damage, made from a clean patch.

A kind is one row of the table that the program prints. A `Form` stores a text without loss: from
such a mail the importer has to get what `git apply` makes of the patch. A damage changes the text
first; `tests/support/archives.py` has most of them. `LOSSES` take away what nobody can put back.
"""

from __future__ import annotations

import base64
import gzip
import html
import quopri
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from tests.support import archive_forms, archives
from tests.support.archives import Clean, Lines
from tests.support.history import Original

Form = Callable[[Original, Lines, random.Random], bytes | None]
"""Returns the bytes of a file; None if it cannot hold the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A mail that was made: what was done to it, and whether it has all that the patch has."""

    kind: str
    form: str
    damages: tuple[str, ...]
    sound: bool
    data: bytes


def _text(lines: Lines) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _head(headers: Mapping[str, str], *more: str) -> str:
    fields = [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join([*fields, "To: linux-kernel@vger.kernel.org", "MIME-Version: 1.0", *more, ""])


def _raw(
    headers: Mapping[str, str], body: bytes, *, charset: str = "utf-8", encoding: str = "8bit"
) -> bytes:
    """Return a mail; its body has to be encoded already."""
    kind = f"Content-Type: text/plain; charset={charset}" if charset else "X-Mailer: none"
    head = _head(headers, kind, f"Content-Transfer-Encoding: {encoding}")
    return head.encode("utf-8", "surrogateescape") + b"\n" + body


def raw(original: Original, lines: Lines, rng: random.Random) -> bytes:
    mail = _raw(original.raw, _text(lines))
    top = rng.choice((b"", b"", b"From ada@example.org Mon Jan 14 20:02:23 2008\n", b"\n"))
    return top + mail


def crlf(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
    data = _raw(original.raw, _text(lines))
    # The CR of a file's own lines cannot be told from the transport's.
    return None if b"\r" in data else data.replace(b"\n", b"\r\n")


def in_base64(original: Original, lines: Lines, rng: random.Random) -> bytes:
    return _raw(original.raw, base64.encodebytes(_text(lines)), encoding="base64")


def quoted_printable(original: Original, lines: Lines, rng: random.Random) -> bytes:
    body = quopri.encodestring(_text(lines))
    return _raw(original.raw, body, encoding=rng.choice(("quoted-printable", "Quoted-Printable")))


def flowed(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
    """RFC 3676: stuffed, long lines broken after a blank; no line may end with a blank."""
    delsp = rng.random() < 0.3
    done = []
    for line in lines:
        if line.endswith(" ") and line.strip() and line != "-- ":
            return None
        rest = line if line.strip(" ") else ""
        while len(rest) > 72 and (cut := rest.rfind(" ", 20, 72)) > 0:
            done.append(rest[: cut + 1] + " " * delsp)
            rest = rest[cut + 1 :]
        done.append(rest)
    stuffed = [" " + line if line.startswith((" ", ">", "From ")) else line for line in done]
    more = "; delsp=yes" if delsp else ""
    return _raw(original.raw, _text(stuffed), charset=f"utf-8; format=flowed{more}")


def _part(kind: str, body: bytes, *more: str) -> bytes:
    return "\n".join([f"Content-Type: {kind}", *more, "", ""]).encode() + body


def _multipart(headers: Mapping[str, str], kind: str, parts: list[bytes]) -> bytes:
    head = _head(headers, f'Content-Type: multipart/{kind}; boundary="=_lamp"')
    data = b"".join(b"\n--=_lamp\n" + part for part in parts)
    return head.encode("utf-8", "surrogateescape") + data + b"\n--=_lamp--\n"


def attached(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
    """The message as text, and the diff attached."""
    begins = (n for n, line in enumerate(lines) if "diff --git" in line or "Index:" in line)
    at = next(begins, len(lines))
    if at == len(lines):
        return None
    message, diff = _text(lines[:at]), _text(lines[at:])
    encoding = rng.choice(("base64", "quoted-printable", "8bit"))
    data = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}
    shown = rng.choice(("attachment", "inline"))
    kind = rng.choice(("text/x-patch", "text/x-diff", "text/plain"))
    part = _part(
        f'{kind}; charset=utf-8; name="lamp.patch"',
        data[encoding](diff) if encoding in data else diff,
        f'Content-Disposition: {shown}; filename="lamp.patch"',
        f"Content-Transfer-Encoding: {encoding}",
    )
    text = _part("text/plain; charset=utf-8", message, "Content-Transfer-Encoding: 8bit")
    return _multipart(original.raw, "mixed", [text, part])


_OTHER = {
    "From": "Eve <eve@example.org>",
    "Date": "Mon, 14 Jan 2008 20:02:23 +0100",
    "Subject": "lamps",
    "Message-Id": "<other@example.org>",
}


def _other(text: str) -> bytes:
    return _raw(_OTHER, f"{text}\n".encode())


def forwarded(original: Original, lines: Lines, rng: random.Random) -> bytes:
    """The mail is attached to another."""
    text = _part("text/plain", b"Please look at this one.\n")
    return _multipart(
        {**_OTHER, "Subject": "Fwd: lamps"},
        "mixed",
        [text, _part("message/rfc822", _raw(original.raw, _text(lines)))],
    )


def digest(original: Original, lines: Lines, rng: random.Random) -> bytes:
    mails = [_other("Lamps are dark."), _raw(original.raw, _text(lines)), _other("So they are.")]
    return _multipart(
        {**_OTHER, "Subject": "Lamps Digest, Vol 3, Issue 4"},
        "digest",
        [b"\n" + mail for mail in mails],
    )


def mbox(original: Original, lines: Lines, rng: random.Random) -> bytes:
    """A folder of mails: a question, the patch, and an answer that quotes some of it."""
    answer = dict(original.raw)
    answer["Subject"] = "Re: " + answer["Subject"]
    answer["Message-Id"] = "<answer@example.org>"
    begin = next((n for n, line in enumerate(lines) if line.startswith("@@ ")), 0)
    quoted = ["> " + line for line in lines[begin : begin + 12]] + ["", "Why?"]
    mails = [_other("Is it dark?"), _raw(original.raw, _text(lines)), _raw(answer, _text(quoted))]
    return archive_forms.as_mbox([re.sub(rb"(?m)^(>*From )", rb">\1", mail) for mail in mails])


def git_log(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
    """The output of `git log -p`."""
    rule = next((n for n, line in enumerate(lines) if line == "---"), None)
    begins = (n for n, line in enumerate(lines) if line.split()[:2] == ["diff", "--git"])
    diff = next(begins, None)
    if rule is None or diff is None:
        return None
    title = re.sub(r"^\[PATCH\] ", "", original.headers["Subject"])
    message = [title, *([""] if rule else []), *lines[:rule]]
    head = [f"commit {original.commit}", f"Author: {original.headers['From']}"]
    date = parsedate_to_datetime(original.headers["Date"])
    head += [f"Date:   {date:%a %b} {date.day} {date:%H:%M:%S %Y %z}", ""]
    return _text([*head, *("    " + line for line in message), "", *lines[diff:]])


def packed(original: Original, lines: Lines, rng: random.Random) -> bytes:
    return gzip.compress(raw(original, lines, rng), mtime=0)


def utf_16(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
    """A mail that an editor of Windows has saved."""
    try:
        text = _raw(original.raw, _text(lines)).decode()
    except UnicodeDecodeError:
        return None
    return text.replace("\n", "\r\n").encode("utf-16") if "\r" not in text else None


_PAGES = {
    "hypermail": archive_forms.as_hypermail,
    "MARC": archive_forms.as_marc,
    "Spinics": archive_forms.as_spinics,
    "lkml.org": archive_forms.as_lkml,
    "text of a page": archive_forms.as_text,
}


def _page(name: str) -> Form:
    def page(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
        if any("\r" in line or "\f" in line for line in lines):
            return None  # HTML has no such letters
        try:
            return _PAGES[name](Clean(dict(original.headers), lines), lines)
        except UnicodeEncodeError:
            return None

    return page


def public_inbox(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
    """A page of lore.kernel.org: everything in one <pre>, added and removed lines in spans."""
    try:
        shown = {name: html.escape(value) for name, value in original.headers.items()}
        body = [html.escape(line, quote=False) for line in lines]
        mark = {"+": "add", "-": "del", "@": "hunk"}
        body = [
            f'<span class="{mark[line[0]]}">{line}</span>' if line[:1] in mark else line
            for line in body
        ]
        if any("\r" in line or "\f" in line for line in lines):
            return None
        title = re.sub(r"^\[PATCH\] ", "", shown["Subject"])
        return (
            f"<html><head><title>[PATCH] {title} - Ada</title></head><body><form><pre>"
            '<a href="../">lamps</a>\n</pre></form><pre>'
            f'From: {shown["From"]}\nTo: lamps@example.org\nSubject: <a href="#r">'
            f'{shown["Subject"]}</a>\nDate: {shown["Date"]}\t<a href="#r">[thread overview]</a>\n'
            f'Message-ID: &lt;<a href="./">{shown["Message-Id"][4:-4]}</a>&gt; '
            '(<a href="raw">raw</a>)\n\n' + "\n".join(body) + "\n\n</pre><hr><pre>"
            '<a href="#t">next</a>             <a href="r">reply</a></pre></body></html>\n'
        ).encode()
    except UnicodeEncodeError:
        return None


FORMS: dict[str, Form] = {
    "raw": raw,
    "raw, CRLF": crlf,
    "base64": in_base64,
    "quoted-printable": quoted_printable,
    "format=flowed": flowed,
    "attached": attached,
    "forwarded": forwarded,
    "digest": digest,
    "mbox with an answer": mbox,
    "git log -p": git_log,
    "compressed": packed,
    "UTF-16": utf_16,
    **{name: _page(name) for name in _PAGES},
    "public-inbox": public_inbox,
}

_LABELS = {
    "iso-8859-1": "cp1252",
    "windows-1252": "cp1252",
    "gb2312": "gb18030",
    "iso-8859-15": "iso-8859-15",
    "iso-8859-2": "iso-8859-2",
    "koi8-r": "koi8-r",
    "utf-7": "utf-7",
    "iso-2022-jp": "iso2022_jp",
}


def _in_charset(label: str, codec: str) -> Form:
    def form(original: Original, lines: Lines, rng: random.Random) -> bytes | None:
        try:
            body = _text(lines).decode().encode(codec)
        except UnicodeError:
            return None
        encoding = rng.choice(("8bit", "base64"))
        body = base64.encodebytes(body) if encoding == "base64" else body
        return _raw(original.raw, body, charset=label, encoding=encoding)

    return form


def _is_foreign(lines: Lines) -> bool:
    return not all(line.isascii() for line in lines)


# Only for patches with letters that are not ASCII: the others are the same in all charsets.
CHARSETS: dict[str, Form] = {
    f"in {label}": _in_charset(label, codec) for label, codec in _LABELS.items()
}
# A wrong label, or none. The letters can be recognised, or the mail has to be called doubtful.
WRONG_LABELS: dict[str, Form] = {
    f"UTF-8 called {label or 'nothing'}": _in_charset(label, "utf-8")
    for label in ("iso-8859-1", "us-ascii", "gb2312", "koi8-r", "x-unknown", "")
} | {
    f"Latin-1 called {label or 'nothing'}": _in_charset(label, "cp1252")
    for label in ("utf-8", "us-ascii", "x-unknown", "")
}


def cut(lines: Lines, rng: random.Random) -> Lines:
    """End a mail within its diff."""
    begin = next((n for n, line in enumerate(lines) if line.startswith("@@ ")), 0)
    return lines[: rng.randrange(begin, len(lines))]


LOSSES = {"lost line": archives.lost_line, "cut": cut}
DAMAGES = dict(archives.KINDS)
SEVERAL = "several"
KINDS = (*FORMS, *DAMAGES, SEVERAL, *LOSSES)
# These change nothing of what git apply reads.
_HARMLESS = frozenset(("footer", "stale_diffstat"))


def kinds_of(original: Original) -> tuple[str, ...]:
    """Return the kinds of mail that a patch can be turned into; charsets only if they matter."""
    more = (*CHARSETS, *WRONG_LABELS) if _is_foreign(list(original.lines)) else ()
    return (*KINDS, *more)


def _is_plain(original: Original) -> bool:
    """Return whether a patch can be said without git's own header lines."""
    moves = ("rename ", "copy ", "similarity ", "old mode ", "new mode ")
    sections = "\n".join(original.lines).split("\ndiff --git ")[1:]
    return not any(line.startswith(moves) for line in original.lines) and all(
        "\n@@ " in section for section in sections
    )


def make(original: Original, kind: str, rng: random.Random) -> Made | None:
    """Return a mail of a kind; None if the form cannot hold the patch, or nothing is damaged."""
    whole = list(original.lines)
    if kind in FORMS or kind in CHARSETS or kind in WRONG_LABELS:
        found = FORMS.get(kind) or CHARSETS.get(kind) or WRONG_LABELS[kind]
        data = found(original, whole, rng)
        sound = kind not in WRONG_LABELS
        if data is None:
            return None
        return Made(kind=kind, form=kind, damages=(), sound=sound, data=data)
    if kind == SEVERAL:
        damages = tuple(name for name in DAMAGES if rng.random() < 0.25) or (
            rng.choice([*DAMAGES]),
        )
    else:
        damages = (kind,)
    if "header_style" in damages and not _is_plain(original):
        damages = tuple(name for name in damages if name != "header_style")
    lines = whole
    try:
        for name in damages:
            lines = (DAMAGES.get(name) or LOSSES[name])(lines, rng)
    except (IndexError, StopIteration, ValueError):
        return None  # there is nothing that this damage could change
    if lines == whole:
        return None
    form = rng.choice([*FORMS])
    data = FORMS[form](original, lines, rng)
    if data is None:
        form, data = "raw", raw(original, lines, rng)
    sound = _HARMLESS.issuperset(damages)
    return Made(kind=kind, form=form, damages=damages, sound=sound, data=data)
