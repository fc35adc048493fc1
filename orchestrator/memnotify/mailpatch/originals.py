"""The patch mails of 2007 and 2008: the list of them, and how the mails of a user are identified.

patches/mem_notify/originals.toml has a digest of each mail, and none of its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from memnotify import toml
from memnotify.errors import InputError
from memnotify.mailpatch.digest import PatchDigest, patch_digests
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.tokens import plain
from memnotify.series.quilt import MEM_NOTIFY

FILE = MEM_NOTIFY / "originals.toml"

_Digest = Annotated[str, toml.spelled(r"[0-9a-f]{64}", "a SHA-256: 64 small hexadecimal digits")]
_Count = Annotated[int, Field(ge=1, le=1_000)]


class MailVerdict(StrEnum):
    """How a mail compares with its entry on file."""

    EXACT = "exact"
    MASKED = "addresses masked"
    OTHER = "another text"
    UNKNOWN = "no digest on file"
    MISSING = "missing"


class Original(toml.Table):
    """A patch mail; the file's head explains the fields."""

    revision: str = Field(description="The revision that it is a part of.")
    part: _Count = Field(description="n of its n/m.")
    of: _Count = Field(description="m of its n/m.")
    subject: str = Field(description="Its subject.")
    date: str = Field(description="When it was posted.")
    message_id: str | None = Field(
        default=None, description="Its Message-Id, without angle brackets."
    )
    digest: _Digest | None = Field(
        default=None, description="The SHA-256 of the lines that it changes."
    )
    digest_without_addresses: _Digest | None = Field(
        default=None, description="The same, without mail addresses."
    )
    note: str = Field(default="", description="What else is known of it.")

    @property
    def label(self) -> str:
        """Its name in a line of a report: its revision and its n/m."""
        return f"{self.revision} {self.part}/{self.of}"

    @property
    def known_as(self) -> str:
        """Return its Message-Id (if known), its subject and its date."""
        if self.message_id is None:
            return f"“{self.subject}”, {self.date}, with a Message-Id that is not known"
        return f"{self.message_id}, “{self.subject}”, {self.date}"


class RevisionTable(toml.Table):
    """What the patches of a revision apply to; the file's head explains the fields."""

    on: str | None = Field(default=None, description="The revision whose patches come first.")
    posted_for: str | None = Field(default=None, description="The tree that they were made for.")
    bases: Annotated[list[str], Field(min_length=1)] = Field(
        description="Bases on which they are tried."
    )
    ours: list[str] = Field(
        default_factory=list, description="Patches of this project that it needs."
    )


class OriginalsTable(toml.Table):
    """The whole file."""

    revision: dict[str, RevisionTable] = Field(description="The revisions, by name.")
    mail: list[Original] = Field(description="The patch mails.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionOriginals:
    """The originals of a revision in their order, with those of the revisions it builds on."""

    revision: str
    table: RevisionTable
    mails: tuple[Original, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of a search for a mail: the mail, if one was found, and the verdict on it.

    `other_id` is the Message-Id of the mail that was taken, if it has a different one. `digest` is
    that of the reading of the mail that was compared.
    """

    original: Original
    verdict: MailVerdict
    mail: Mail | None = None
    digest: PatchDigest | None = None
    other_id: str | None = None


def originals_of(revision: str, *, file: Path | None = None) -> RevisionOriginals:
    """Return the originals of a revision. Raises InputError if none are on file."""
    file = file or FILE
    known = toml.load(file, OriginalsTable)
    if revision not in known.revision:
        hint = f"there are: {', '.join(known.revision)}"
        raise InputError(f"no originals of {revision} are on file", hint=hint)
    chain = [revision]
    while (below := known.revision[chain[0]].on) is not None:
        if below not in known.revision or below in chain:
            raise InputError(
                f"revision.{chain[0]}.on: {below} is not an earlier revision", file=file
            )
        chain.insert(0, below)
    mails = tuple(
        mail
        for name in chain
        for mail in sorted(known.mail, key=lambda mail: mail.part)
        if mail.revision == name
    )
    return RevisionOriginals(revision=revision, table=known.revision[revision], mails=mails)


def asks_for(wanted: Sequence[Original]) -> Callable[[Mapping[str, str]], bool]:
    """Return a test of a mail's headers: whether it can be one of these originals."""
    ids = {mail.message_id.lower() for mail in wanted if mail.message_id is not None}
    subjects = {_words(mail.subject) for mail in wanted}

    def asked(headers: Mapping[str, str]) -> bool:
        own = headers.get("Message-Id", "").strip().strip("<>").lower()
        return own in ids or _words(headers.get("Subject", "")) in subjects

    return asked


def identify(mails: Sequence[Mail], wanted: Sequence[Original]) -> tuple[Found, ...]:
    """Find each wanted original among some mails.

    A mail is matched by its Message-Id. Pages of archives show none or mask it; then it is matched
    by its digest, or by its subject if it has a diff and no Message-Id that proves it to be another
    mail.
    """
    digests = [(mail, _digests(mail)) for mail in mails]
    found: dict[int, Found] = {}
    for number, original in enumerate(wanted):
        same = [(mail, some) for mail, some in digests if _same_id(mail, original)]
        if not same:
            same = [(mail, some) for mail, some in digests if _is_text(some, original)]
        if not same:
            same = [(m, some) for m, some in digests if some and _same_subject(m, original)]
        if same:
            best = [_judged(original, mail, some) for mail, some in same]
            found[number] = min(best, key=lambda each: list(MailVerdict).index(each.verdict))
    return tuple(
        found.get(number) or Found(original=original, verdict=MailVerdict.MISSING)
        for number, original in enumerate(wanted)
    )


def _digests(mail: Mail) -> tuple[PatchDigest, ...]:
    """Return the digests of all readings of a mail: with entities, without, and without marks."""
    texts = [*mail.levels, *([plain(line) for line in level] for level in mail.levels)]
    return tuple(dict.fromkeys(digest for text in texts for digest in patch_digests(text)))


def _judged(original: Original, mail: Mail, digests: Sequence[PatchDigest]) -> Found:
    own = mail.headers.get("Message-Id")
    other = own if own is not None and not _same_id(mail, original) else None
    verdict, digest = MailVerdict.OTHER, next(iter(digests), None)
    if original.digest is None:
        verdict = MailVerdict.UNKNOWN if digests else MailVerdict.OTHER
    else:
        for each in digests:
            if each.whole == original.digest:
                verdict, digest = MailVerdict.EXACT, each
                break
            if _is_masked(each, original):
                verdict, digest = MailVerdict.MASKED, each
    return Found(original=original, verdict=verdict, mail=mail, digest=digest, other_id=other)


def _is_text(digests: Iterable[PatchDigest], original: Original) -> bool:
    if original.digest is None:
        return False
    return any(each.whole == original.digest or _is_masked(each, original) for each in digests)


def _is_masked(digest: PatchDigest, original: Original) -> bool:
    known = original.digest_without_addresses
    return known is not None and digest.without_addresses == known


def _same_id(mail: Mail, original: Original) -> bool:
    own = mail.headers.get("Message-Id", "").strip().strip("<>")
    return original.message_id is not None and own.lower() == original.message_id.lower()


def _same_subject(mail: Mail, original: Original) -> bool:
    """Return whether a mail can be an original by its subject, whatever its text."""
    if _words(mail.subject) != _words(original.subject):
        return False
    own = mail.headers.get("Message-Id", "").strip().strip("<>")
    if not own or original.message_id is None:
        return True
    # An archive masks the domain, and may use blanks for that.
    local = re.split(r"@|\s", own, maxsplit=1)[0]
    return local.lower() == original.message_id.partition("@")[0].lower()


def _words(subject: str) -> str:
    return "".join(subject.lower().split())
