"""The revisions of a series: which one to take, and which is the newest that is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from memnotify.errors import InputError
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.post import Post
from memnotify.mailpatch.subjects import ParsedSubject, place_of
from memnotify.text import counted


def with_covers(posts: Sequence[Post], others: Iterable[Mail]) -> list[Post]:
    """Return posts with the revision of their cover letter, where they state none themselves.

    A cover letter is the one that the mail answers, or the only one with the same m.
    """
    covers = [(mail, place) for mail in others if _is_cover(place := place_of(mail.subject))]
    return [_with_cover(post, covers) if _needs_cover(post) else post for post in posts]


def _is_cover(place: ParsedSubject) -> bool:
    return bool(place.total) and not place.number and not place.reply


def _needs_cover(post: Post) -> bool:
    return bool(post.total) and post.tagged is None and post.titled is None


def _with_cover(post: Post, covers: Sequence[tuple[Mail, ParsedSubject]]) -> Post:
    links = " ".join(post.mail.headers.get(name, "") for name in ("In-Reply-To", "References"))
    own = [
        place
        for mail, place in covers
        if (found := mail.headers.get("Message-Id", "").strip()) and found in links
    ] or [place for _, place in covers if place.total == post.total]
    stated = [place.tagged or place.titled for place in own]
    return replace(post, titled=stated[0]) if len(stated) == 1 and stated[0] else post


def newest_of(taken: Sequence[Post], mails: Iterable[Mail]) -> tuple[int, str] | None:
    """Return the newest revision that mails of a series state, and the subject of one of them.

    None if it is that of the patches which were taken.
    """
    own = max((post.revision for post in taken), default=0)
    series = {(post.total, "" if post.total else post.title.lower()) for post in taken}
    found: dict[int, str] = {}
    for mail in mails:
        place = place_of(mail.subject)
        known = (place.total, "" if place.total else place.title.lower()) in series
        stated = place.tagged or (place.titled if place.total and not place.number else None)
        if stated and (known or (place.total and not place.number)) and not place.reply:
            found.setdefault(stated, mail.subject)
    newest = max(found, default=0)
    return (newest, found[newest]) if newest > own else None


def of_revision(posts: Sequence[Post], wanted: int | None) -> tuple[list[Post], list[str]]:
    """Return the posts of one revision, and notes about the others.

    Raises InputError if there are several and none is wanted, and if there is none of the wanted.
    """
    numbered = [post for post in posts if post.total or _has_another(post, posts)]
    there = sorted({post.revision for post in numbered})
    known = ", ".join(f"v{number}" for number in there)
    if wanted is None:
        # A title may end in "v2" for other reasons, unless two mails claim the same number.
        patches = [post for post in numbered if not post.reply]
        places = {(post.number, "" if post.total else post.title.lower()) for post in patches}
        mixed = len({post.tagged or 1 for post in patches}) > 1 or (
            len({post.revision for post in patches}) > 1 and len(places) < len(patches)
        )
        if mixed:
            raise InputError(
                f"these are mails of several revisions of a series: {known}",
                file=patches[0].mail.source,
                hint=f"--revision v{there[-1]} takes the last",
            )
        return list(posts), []
    # A sample program that comes with a series has no number, but names its revision.
    taken = [
        post
        for post in posts
        if (post.revision if post in numbered else post.tagged or post.titled) == wanted
        and (post.total or not post.reply)
    ]
    if not taken:
        raise InputError(
            f"there is no patch of v{wanted}",
            file=posts[0].mail.source,
            hint=f"there is: {known or 'none with n/m in its subject'}",
        )
    left = len(posts) - len(taken)
    note = f"{counted(left, 'mail')} of other revisions, or of none: left out"
    if there and there[-1] > wanted:
        note += f"; the newest is v{there[-1]}"
    return taken, [note] if left else []


def _has_another(post: Post, posts: Sequence[Post]) -> bool:
    """Return whether a patch without a number is there in another revision as well."""
    return not post.total and any(
        not other.total
        and other.title.lower() == post.title.lower()
        and (other.tagged or 1) != (post.tagged or 1)
        for other in posts
    )
