"""Find the other mails of a set that no header links, by author, date, revision and n/m."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr, parsedate_to_datetime

from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.mailbox import Wanted
from memnotify.mailpatch.subjects import ParsedSubject, place_of

_TOGETHER = timedelta(days=1)  # sending a set by hand takes about an hour


def is_whole(mail: Mail, thread: Sequence[Mail]) -> bool:
    """Return whether a thread has every patch of the set that one of its mails belongs to."""
    total = place_of(mail.subject).total
    places = [place for other in thread if not (place := place_of(other.subject)).reply]
    return {p.number for p in places if p.total == total} >= set(range(1, total + 1))


def companions_of(mail: Mail) -> Wanted:
    """Return a test of a mail's headers: whether it belongs to the same set as this mail.

    It must have the same author, a date within a day, and the same revision. It must also have the
    same m of n/m, or no n/m but the same name before its title, as in "mem_notify v6: a sample".
    """
    own, author, sent = place_of(mail.subject), _author(mail.headers), _date(mail.headers)

    def belongs(headers: Mapping[str, str]) -> bool:
        place = place_of(headers.get("Subject", ""))
        date = _date(headers)
        if place.reply or _author(headers) != author or _revision(place) != _revision(own):
            return False
        if sent is not None and date is not None and abs(date - sent) > _TOGETHER:
            return False
        name, theirs = _name(own), _name(place)
        if place.total:
            return place.total == own.total and (not name or not theirs or name == theirs)
        return bool(name) and name == theirs

    return belongs


def _author(headers: Mapping[str, str]) -> str:
    return parseaddr(headers.get("From", ""))[1].lower()


def _revision(place: ParsedSubject) -> int:
    return place.tagged or place.titled or 1


def _name(place: ParsedSubject) -> str:
    """Return the text before the first colon of a title that names a revision there."""
    name, colon, _ = place.title.partition(":")
    return " ".join(name.lower().split()) if colon and place.titled is not None else ""


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
