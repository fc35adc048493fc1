"""Read mails in every form in which archives keep them, as lines of text.

A file is an mbox (such as `git format-patch` writes), one raw mail, a page of a web archive, or the
text of one. A folder is a maildir, or has such files. White space is kept as it is; only the
encoding of the mail itself (transfer encodings, format=flowed, HTML) is undone.
"""

from __future__ import annotations

import email
import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import open_file
from memnotify.mailpatch.armor import unescaped
from memnotify.mailpatch.body import PartText, nested_in, texts_of
from memnotify.mailpatch.charset import decoded, words
from memnotify.mailpatch.entities import levels_of
from memnotify.mailpatch.folder import files_of, is_series, listed_in
from memnotify.mailpatch.limits import MAX_BYTES, MAX_HEADER, check_data, check_mails, check_text
from memnotify.mailpatch.mbox import FIELD, has_headers, starts_of
from memnotify.mailpatch.page import looks_like_page, page_text
from memnotify.mailpatch.page_headers import SHOWN_FIELD, WANTED, headers_in_text
from memnotify.mailpatch.several import Piece, block_end, has_diff, pieces_of_mail, pieces_of_page
from memnotify.mailpatch.transfer import UNDECODED, undecoded
from memnotify.mailpatch.truncation import Diffstat
from memnotify.mailpatch.unpack import unpacked, without_top

PROVENANCE = "X-Memnotify-"
_PLACE = re.compile(r"\d+ ?(?:/|of) ?\d+")
_MIME = (b"content-type", b"content-transfer-encoding", b"mime-version")
_LINKS = {"in-reply-to": "In-Reply-To", "references": "References"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail: where it was read from, its headers, and its text.

    `sha256` is that of the bytes that were read. `levels` has the lines of the text, and then the
    same lines with HTML entities decoded, as often as these may come from the archive and not from
    the text. `first` is the line of the file at which the text begins; None if it had to be
    decoded. `undone` lists the encodings that were undone, and `doubts` what makes it uncertain
    that this is the text as it was written. `place` is that in a list of patches, and which list
    it is: a folder's series file (-1: not in it), or the output of git log. `stated` is the mail as
    its headers state, if an encoding was undone that they do not: the tree shows which is right.
    """

    source: str
    sha256: str
    headers: dict[str, str] = field(default_factory=dict)
    provenance: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...]
    first: int | None
    undone: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    place: tuple[str, int] | None = None
    stated: Mail | None = None

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
    if path.is_dir() or is_series(path):
        files = files_of(path) if path.is_dir() else listed_in(path)
        return [mail for file, place in files for mail in placed(read_mails(file), place)]
    try:
        with open_file(path) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError("too large for mails: more than 16 MiB", file=named or path)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    return mails_of(data, path if named is None else Path(named))


def placed(mails: list[Mail], place: tuple[str, int] | None) -> list[Mail]:
    """Return mails with a place in a list of patches; without one, as they are."""
    return mails if place is None else [replace(mail, place=place) for mail in mails]


def mails_of(data: bytes, path: Path) -> list[Mail]:
    """Return the mails in the bytes of a file. Raises InputError if they are not text."""
    data = unpacked(data, path)
    check_data(data, path, page=_is_page(data))
    try:
        return [mail for mail in _split(data, path) if any(line.strip() for line in mail.lines)]
    except RecursionError as error:
        raise InputError("mails are nested too deeply", file=path) from error


def headers_of(data: bytes) -> dict[str, str]:
    """Return From, Date, Subject, Message-Id and the mails that it answers, of a raw mail."""
    return _headers(_line_ends(data).partition(b"\n\n")[0])[0]


def _is_page(data: bytes) -> bool:
    return looks_like_page(data[:4096].decode("latin-1"))


def _split(data: bytes, path: Path) -> Iterator[Mail]:
    if _is_page(data):
        yield from _from_page(data, path)
        return
    bare, above = without_top(data)
    starts = starts_of(bare)
    check_mails(len(starts), path)
    if starts:
        first = above + 1
        for start, end in zip(starts, [*starts[1:], len(bare)], strict=True):
            body = _line_ends(bare[start:end])
            skipped = body.find(b"\n") + 1
            # In an mbox a line that begins with "From " is quoted.
            unquoted = re.sub(rb"^>(>*From )", rb"\1", body[skipped:], flags=re.M)
            yield from _from_raw(unquoted, path, first + 1, bare[start:end])
            first += body.count(b"\n")
    elif _is_raw(ended := _line_ends(bare)):
        yield from _from_raw(ended, path, above + 1, bare)
    else:
        yield from _from_text(data, path)


def _line_ends(data: bytes) -> bytes:
    """Remove the CR of every line, unless a diff has them and its headers have none.

    Then they do not come from the transport, but from the file that is patched.
    """
    return data if re.search(rb"@@ -\d[^\n]*[^\r\n]\n", data) else data.replace(b"\r\n", b"\n")


def _is_raw(data: bytes) -> bool:
    """Return whether a mail begins with a block of headers, at least two of them usual in mails.

    A line among them that is none shows that it is the text of a page, unless there are MIME's.
    """
    block = data.partition(b"\n\n")[0].split(b"\n")
    odd = any(not FIELD.match(line) and line[:1] not in (b" ", b"\t") for line in block)
    names = {line.partition(b":")[0].rstrip().lower() for line in block if FIELD.match(line)}
    return has_headers(data) and (not odd or not names.isdisjoint(_MIME))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _from_raw(data: bytes, path: Path, first: int, whole: bytes) -> Iterator[Mail]:
    """Yield the patches of a raw mail; `whole` are its bytes in the file, from its line `first`."""
    block, _, below = data.partition(b"\n\n")
    fields = [line for line in block.split(b"\n") if FIELD.match(line) or line[:1] in (b" ", b"\t")]
    headers, provenance = _headers(block)
    # Python's parser takes no blanks before a colon, as RFC 822 did.
    fields = [re.sub(rb"^([!-9;-~]+)[ \t]+:", rb"\1:", line) for line in fields]
    message = email.message_from_bytes(b"\n".join(fields) + b"\n\n" + below)
    known = Mail(
        source=str(path),
        sha256=_digest(whole),
        headers=headers,
        provenance=provenance,
        levels=((),),
        first=first + block.count(b"\n") + 2,
    )
    yield from _from_message(message, known, path)


def _from_message(message: Message, known: Mail, path: Path) -> Iterator[Mail]:
    """Yield the patches of a mail of which `known` has all but the text."""
    texts = texts_of(message, path)
    nested = list(nested_in(message))
    own = [text for text in texts if len(texts) > 1 and _has_own_headers(text)]
    rest = _different([text for text in texts if text not in own])
    if message.is_multipart() or any(text.undone for text in rest):
        known = replace(known, first=None)
    with_diff = [text for text in rest if has_diff(text.lines)]
    if len(with_diff) > 1:
        # Each is a patch, named after its file, below the text of the mail.
        for text in with_diff:
            alone = [other for other in rest if other is text or other not in with_diff]
            title = Path(text.name).stem.replace("-", " ")
            named = {"Subject": title} if title else {}
            headers = {**known.headers, **named}
            yield from _from_lines(alone, replace(known, headers=headers))
    elif with_diff or not (own or nested):
        yield from _from_lines(rest, known)
    for text in own:
        for mail in _split("\n".join(text.lines).encode("utf-8", "surrogateescape"), path):
            yield replace(
                mail,
                sha256=known.sha256,
                first=None,
                headers=_inherited(mail.headers, known.headers, alone=len(own) == 1),
                undone=(*text.undone, *mail.undone),
                doubts=(*text.doubts, *mail.doubts),
            )
    for inner in nested:
        # As they are: items() puts a question mark for each byte that is not ASCII.
        fields = "\n".join(f"{name}: {value}" for name, value in inner.raw_items())
        headers, _ = _headers(fields.encode("utf-8", "surrogateescape"))
        yield from _from_message(inner, replace(known, headers=headers, first=None), path)


def _inherited(own: dict[str, str], outer: dict[str, str], *, alone: bool) -> dict[str, str]:
    """Return the headers of an attached patch: a single one has the n/m of the mail."""
    if not alone:
        return own
    theirs, ours = outer.get("Subject", ""), own.get("Subject", "")
    subject = {"Subject": theirs} if _PLACE.search(theirs) and not _PLACE.search(ours) else {}
    return {
        **{name: outer[name] for name in ("Message-Id", "Date") if name in outer},
        **own,
        **subject,
    }


def _has_own_headers(text: PartText) -> bool:
    data = "\n".join(text.lines).encode("utf-8", "surrogateescape").lstrip()
    return has_diff(text.lines) and (bool(starts_of(data)) or has_headers(data))


def _different(texts: Sequence[PartText]) -> list[PartText]:
    """Return texts without those that have the diff of one below, which is the better copy."""
    kept: dict[str, PartText] = {}
    for number, text in enumerate(texts):
        begin = next((at for at, line in enumerate(text.lines) if line.startswith("@@ -")), None)
        diff = "" if begin is None else "".join("".join(text.lines[begin:]).split())
        kept[diff or str(number)] = text
    return [text for text in texts if any(text is other for other in kept.values())]


def _from_lines(texts: Sequence[PartText], known: Mail) -> Iterator[Mail]:
    """Yield the patches in the text of a mail, which is that of all its parts."""
    undone = [what for text in texts for what in text.undone]
    doubts = [what for text in texts for what in text.doubts]
    lines, escaped = unescaped([line for text in texts for line in text.lines])
    known = replace(known, undone=(*undone, *escaped), doubts=tuple(doubts))
    if known.provenance:
        # A file that an import has written has one patch, and needs no decoding.
        yield replace(known, levels=(tuple(lines),))
        return
    yield from _either(_pieces, lines, known)


def _either(
    read: Callable[[list[str], Mail], Iterator[Mail]], lines: list[str], known: Mail
) -> Iterator[Mail]:
    """Yield the mails in lines, in which an encoding may have to be undone, with both readings."""
    text, decoded = _recognised(lines, known)
    mails = list(read(text, decoded))
    if decoded is known or UNDECODED not in decoded.doubts:
        yield from mails
        return
    stated = list(read(lines, known))
    for number, mail in enumerate(mails):
        yield replace(mail, stated=stated[number]) if len(stated) == len(mails) else mail


def _pieces(lines: list[str], known: Mail) -> Iterator[Mail]:
    """Yield the patches in the text of a mail."""
    pieces = pieces_of_mail(lines)
    for number, piece in enumerate(pieces):
        if piece.headers and len(pieces) > 1:
            known = replace(known, place=(known.source, number))
        if piece.headers is None and piece is pieces[0]:
            yield _piece(lines, piece, known, 0)
            continue
        text = lines[piece.start : piece.end]
        found, skipped = (piece.headers, 0) if piece.headers else headers_in_text(text)
        skipped = max(skipped, 0 if piece.headers else block_end(text))
        if sum(has_diff(lines[other.start : other.end]) for other in pieces) == 1:
            found = _inherited(found, known.headers, alone=True)
        yield _piece(lines, piece, replace(known, headers=found), skipped)


def _recognised(lines: list[str], known: Mail) -> tuple[list[str], Mail]:
    """Return lines with an encoding undone that no header states, and the mail with that said."""
    if "quoted-printable" in known.undone:
        return lines, known
    lines, encoding = undecoded(lines)
    if encoding is None:
        return lines, known
    doubts = (*known.doubts, UNDECODED) if encoding == "quoted-printable" else known.doubts
    undone = (*known.undone, encoding)
    return lines, replace(known, first=None, undone=undone, doubts=doubts)


def _piece(lines: Sequence[str], piece: Piece, known: Mail, skipped: int) -> Mail:
    """Return a patch in the text of a mail; `skipped` lines at its beginning are headers."""
    first = None if known.first is None else known.first + piece.start + skipped
    text = lines[piece.start + skipped : piece.end]
    if piece.message or piece.headers:
        # A diffstat in the message of a commit is no part of the mail's own.
        ends = "---" if Diffstat.of(piece.message).files is not None else ""
        first, text = None, [*piece.message, ends, *text]
    return replace(known, levels=levels_of(text), first=first)


def _headers(block: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    text = re.sub(r"\n[ \t]+", " ", decoded(block, None)[0])
    headers: dict[str, str] = {}
    provenance = []
    for line in text.split("\n"):
        found = SHOWN_FIELD.match(line)
        if found is None:
            continue
        if found[1].startswith(PROVENANCE):
            provenance.append(line)
        elif (name := (WANTED | _LINKS).get(found[1].lower())) is not None:
            headers.setdefault(name, words(found[2][:MAX_HEADER]))
    return headers, tuple(provenance)


def _from_page(data: bytes, path: Path) -> Iterator[Mail]:
    charset = re.search(rb"charset=[\"']?([\w-]+)", data[:4096])
    text, doubt = decoded(data, charset[1].decode() if charset else None)
    lines, headers, begin = page_text(text)
    check_text(lines, path, page=True)
    known = Mail(
        source=str(path),
        sha256=_digest(data),
        headers=headers,
        levels=((),),
        first=None,
        undone=("HTML",),
        doubts=(doubt,) if doubt else (),
    )
    yield from _from_shown(lines, known, begin)


def _from_text(data: bytes, path: Path) -> Iterator[Mail]:
    """Yield the mails in the text of one page of an archive, or of several consecutive ones."""
    text, doubt = decoded(_line_ends(data), None)
    known = Mail(
        source=str(path),
        sha256=_digest(data),
        levels=((),),
        first=1,
        doubts=(doubt,) if doubt else (),
    )
    yield from _from_shown(text.split("\n"), known)


def _from_shown(lines: list[str], known: Mail, begin: int = 0) -> Iterator[Mail]:
    """Yield the mails in the text of a page; the text of a single one begins at a line."""
    yield from _either(functools.partial(_shown, begin=begin), lines, known)


def _shown(lines: list[str], known: Mail, *, begin: int) -> Iterator[Mail]:
    pieces = pieces_of_page(lines)
    check_mails(len(pieces), Path(known.source))
    for number, piece in enumerate(pieces):
        if piece.headers and len(pieces) > 1:
            known = replace(known, place=(known.source, number))
        text, escaped = unescaped(lines[piece.start : piece.end])
        found, skipped = (piece.headers, 0) if piece.headers else headers_in_text(text)
        headers = found
        if len(pieces) == 1:
            # What a page has in comments is about the one mail that it shows.
            headers = {**found, **known.headers}
            skipped = max(skipped, begin)
        own = replace(known, headers=headers, undone=(*known.undone, *escaped))
        part = [*lines[: piece.start], *text]
        yield _piece(part, replace(piece, end=len(part)), own, skipped)
