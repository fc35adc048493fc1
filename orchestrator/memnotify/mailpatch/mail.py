"""Read mails in every form in which archives keep them, as lines of text.

A file is an mbox (such as `git format-patch` writes), one raw mail, a page of a web archive, or the
text of one. A folder is a maildir, or has such files. White space is kept as it is; only the
encoding of the mail itself (transfer encodings, format=flowed, HTML) is undone.
"""

from __future__ import annotations

import email
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import open_file
from memnotify.mailpatch.entities import levels_of
from memnotify.mailpatch.limits import MAX_BYTES, MAX_HEADER, check_data, check_mails, check_text
from memnotify.mailpatch.page import looks_like_page, page_text
from memnotify.mailpatch.tokens import plain

PROVENANCE = "X-Memnotify-"
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)")
_WANTED = {"from": "From", "date": "Date", "subject": "Subject", "message-id": "Message-Id"}
_ABOVE_MAIL = re.compile(r"(?:From|Date|Message-Id|To|List)\s*:", re.IGNORECASE)
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = ("-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----")
_ARMOR = "inline PGP signature"
_TAG = re.compile(r"(?:\[[^\]]*\]\s*)*\[[^\]]*PATCH[^\]]*\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail: where it was read from, its headers, and its text.

    `sha256` is that of the bytes that were read. `levels` has the lines of the text, and then the
    same lines with HTML entities decoded, as often as these may come from the archive and not from
    the text. `first` is the line of the file at which the text begins; None if it had to be
    decoded. `undone` lists the encodings that were undone.
    """

    source: str
    sha256: str
    headers: dict[str, str] = field(default_factory=dict)
    provenance: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...]
    first: int | None
    undone: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The text with all entities decoded that may come from the archive."""
        return self.levels[-1]

    @property
    def subject(self) -> str:
        return self.headers.get("Subject", "")


def read_mails(path: Path, *, named: str | None = None) -> list[Mail]:
    """Return the mails of a file or a folder, in their order there.

    Messages call it `named`, if that is given: the name of a temporary file means nothing to users.
    Raises InputError if it cannot be read, or is not text.
    """
    if path.is_dir():
        parts = [path / "cur", path / "new"]
        folders = parts if all(part.is_dir() for part in parts) else [path]
        files = [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]
        files = [file for file in files if not file.name.startswith(".") and file.name != "series"]
        if not files:
            raise InputError("this folder contains no mail", file=path)
        return [mail for file in files for mail in read_mails(file)]
    try:
        with open_file(path) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError("too large for mails: more than 16 MiB", file=named or path)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    return mails_of(data, path if named is None else Path(named))


def mails_of(data: bytes, path: Path) -> list[Mail]:
    """Return the mails in the bytes of a file. Raises InputError if they are not text."""
    check_data(data, path, page=_is_page(data))
    try:
        return [mail for mail in _split(data, path) if any(line.strip() for line in mail.lines)]
    except RecursionError as error:
        raise InputError("mails are nested too deeply", file=path) from error


def headers_of(data: bytes) -> dict[str, str]:
    """Return From, Date, Subject and Message-Id of a raw mail, if it has them."""
    return _headers(_line_ends(data).partition(b"\n\n")[0])[0]


def _is_page(data: bytes) -> bool:
    return looks_like_page(data[:4096].decode("latin-1"))


def _split(data: bytes, path: Path) -> Iterator[Mail]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if _is_page(data):
        yield _from_page(data.replace(b"\r\n", b"\n"), path)
    elif re.match(rb"From \S+.*\d\d:\d\d", data) or re.match(rb"From [0-9a-f]{40} ", data):
        starts = [m.start() for m in re.finditer(rb"^From (?=\S+ .*\d\d:\d\d:\d\d)", data, re.M)]
        check_mails(len(starts), path)
        first = 1
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
            body = _line_ends(data[start:end])
            skipped = body.find(b"\n") + 1
            # In an mbox a line that begins with "From " is quoted.
            unquoted = re.sub(rb"^>(>*From )", rb"\1", body[skipped:], flags=re.M)
            yield _from_raw(unquoted, path, first + 1, body)
            first += body.count(b"\n")
    elif _is_raw(data := _line_ends(data)):
        yield _from_raw(data, path, 1, data)
    else:
        yield from _from_text(data, path)


def _line_ends(data: bytes) -> bytes:
    """Remove the CR of every line, unless a diff has them and its headers have none.

    Then they do not come from the transport, but from the file that is patched.
    """
    return data if re.search(rb"@@ -\d[^\n]*[^\r\n]\n", data) else data.replace(b"\r\n", b"\n")


def _is_raw(data: bytes) -> bool:
    """Return whether a mail begins with a block of headers, at least two of them usual in mails."""
    block = data.partition(b"\n\n")[0].decode("latin-1").split("\n")
    if not all(_HEADER.match(line) or line[:1] in (" ", "\t") for line in block):
        return False
    names = {found[1].lower() for line in block if (found := _HEADER.match(line))}
    return len(names & (_WANTED.keys() | {"received", "to"})) >= 2


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _from_raw(data: bytes, path: Path, first: int, whole: bytes) -> Mail:
    block, _, _ = data.partition(b"\n\n")
    headers, provenance = _headers(block)
    message = email.message_from_bytes(data)
    lines, undone = _body(message, path)
    direct = not undone and not message.is_multipart()
    begins = first + block.count(b"\n") + 2 if direct else None
    lines, escaped = _unescaped(lines)
    return Mail(
        source=str(path),
        sha256=_digest(whole),
        headers=headers,
        provenance=provenance,
        # A file that an import has written needs no decoding.
        levels=(tuple(lines),) if provenance else levels_of(lines),
        first=begins,
        undone=(*undone, *escaped),
    )


def _headers(block: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    text = re.sub(r"\n[ \t]+", " ", _decoded(block))
    headers: dict[str, str] = {}
    provenance = []
    for line in text.split("\n"):
        found = _HEADER.match(line)
        if found is None:
            continue
        if found[1].startswith(PROVENANCE):
            provenance.append(line)
        elif found[1].lower() in _WANTED:
            headers.setdefault(_WANTED[found[1].lower()], _words(found[2][:MAX_HEADER]))
    return headers, tuple(provenance)


def _words(value: str) -> str:
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except (HeaderParseError, LookupError, UnicodeError):
        return value


def _decoded(data: bytes, charset: str | None = None) -> str:
    # For headers that are not encoded, and bodies without a charset.
    if b"\x1b$" in data and (charset or "us-ascii").lower() == "us-ascii":
        charset = "iso-2022-jp"
    for name in (charset or "utf-8", "utf-8"):
        try:
            return data.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("latin-1")


def _body(message: Message, path: Path) -> tuple[list[str], list[str]]:
    """Return the lines of a mail's text parts, in order, and the encodings that were undone."""
    texts: list[list[str]] = []
    pages: list[list[str]] = []
    undone: list[str] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        name = part.get_filename() or ""
        if not (
            part.get_content_maintype() == "text"
            or kind == "application/octet-stream"
            or name.endswith((".patch", ".diff", ".txt"))
        ):
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes) or b"\0" in payload:
            continue
        encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
        if encoding in ("base64", "quoted-printable"):
            undone.append(encoding)
        text = _decoded(_line_ends(payload), part.get_content_charset())
        if kind == "text/html":
            check_data(payload, path, page=True)
            pages.append(page_text(text)[0])
            continue
        lines = text.split("\n")
        check_text(lines, path)
        if str(part.get_param("format", "")).lower() == "flowed":
            lines = _unflowed(lines, delsp=str(part.get_param("delsp", "")).lower() == "yes")
            undone.append("format=flowed")
        texts.append(lines)
    # An HTML part of a mail repeats its text.
    if not any("@@" in line for text in texts for line in text) and pages:
        texts += pages
        undone.append("HTML")
    return [line for text in texts for line in text], undone


def _unflowed(lines: Sequence[str], *, delsp: bool) -> list[str]:
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


def _unescaped(lines: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Undo the dash-escaping of a text that is signed inline (RFC 4880 7.1), and report that.

    The armor becomes empty lines, so that line numbers stay the same. A text with an unescaped line
    is left alone: then its blanks are its own.
    """
    begin = next((at for at, line in enumerate(lines) if line.rstrip() == _SIGNED), None)
    if begin is None:
        return list(lines), ()
    bare = [line.rstrip() for line in lines]
    text = next((at for at in range(begin, len(lines)) if not bare[at]), len(lines))
    end = next((at for at in range(text, len(lines)) if bare[at] == _SIGNATURE[0]), len(lines))
    below = next((at + 1 for at in range(end, len(lines)) if bare[at] == _SIGNATURE[1]), len(lines))
    if any(line.startswith("-") and not line.startswith("- ") for line in lines[text:end]):
        return list(lines), ()
    # The signed text ends here; this line marks the end of the diff.
    ends = ["-----"] if end < len(lines) else []
    return [
        *lines[:begin],
        *[""] * (text - begin),
        *(line.removeprefix("- ") for line in lines[text:end]),
        *ends,
        *[""] * (below - end - len(ends)),
        *lines[below:],
    ], (_ARMOR,)


def _from_page(data: bytes, path: Path) -> Mail:
    charset = re.search(rb"charset=[\"']?([\w-]+)", data[:4096])
    text = _decoded(data, charset[1].decode() if charset else None)
    lines, headers = page_text(text)
    check_text(lines, path, page=True)
    lines, escaped = _unescaped(lines)
    found, start = _headers_in_text(lines)
    return Mail(
        source=str(path),
        sha256=_digest(data),
        headers={**found, **headers},
        levels=levels_of(lines[start:]),
        first=None,
        undone=("HTML", *escaped),
    )


def _from_text(data: bytes, path: Path) -> Iterator[Mail]:
    """Read the text of one page of an archive, or of several consecutive ones."""
    lines = _decoded(data).split("\n")
    starts = [0]
    diff = False
    for at, line in enumerate(lines):
        # The subject of another page, if it comes after a diff and headers follow.
        subject = diff and _TAG.match(line.removeprefix("Subject:").strip())
        if subject and any(_ABOVE_MAIL.match(other) for other in lines[at + 1 : at + 8]):
            starts.append(at)
            diff = False
        diff = diff or "@@ -" in line
    check_mails(len(starts), path)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        piece, escaped = _unescaped(lines[start:end])
        headers, body = _headers_in_text(piece)
        yield Mail(
            source=str(path),
            sha256=_digest(data),
            headers=headers,
            levels=levels_of(piece[body:]),
            first=start + body + 1,
            undone=escaped,
        )


def _headers_in_text(lines: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the headers that a page's text shows above the mail, and where the mail begins."""
    headers: dict[str, str] = {}
    last = 0
    # lkml.org shows a table, whose text has no colons.
    tabular = any(re.match(r"Subject\s*\S*\[.*PATCH", line, re.IGNORECASE) for line in lines[:40])
    for at, line in enumerate(lines):
        bare = plain(line).strip()
        if bare.startswith(("diff -", "--- ", "Signed-off-by")):
            break
        found = _HEADER.fullmatch(bare)
        table = re.fullmatch(r"(From|Date|Subject)\s*(\S.*)", bare) if tabular else None
        for match in (found, table):
            if match and match[1].lower() in _WANTED and match[2]:
                name = _WANTED[match[1].lower()]
                if name in headers and last:
                    continue
                headers[name] = _words(match[2])
                last = at + 1
        if "Subject" not in headers and _TAG.match(bare.removeprefix("Re: ")):
            headers["Subject"] = bare
            last = at + 1
        if last and at - last > 12:
            break
    return headers, last
