"""A mail with a diff, and what its subject says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.raw import Broken, Text
from memnotify.mailpatch.subjects import place_of

_SLUG = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A mail with a diff: its place in its series (0 of 0: no number), and its title."""

    mail: Mail
    text: Text
    number: int
    total: int
    title: str
    reply: bool
    tagged: int | None = None  # the revision that its tags state, such as [PATCH v4 3/5]
    titled: int | None = None  # or its title
    perhaps: tuple[int, int, str] | None = None  # n, m and title, if a fraction in it is an n/m

    @property
    def revision(self) -> int:
        """The revision of its series; the first has no number."""
        return self.tagged or self.titled or 1

    @property
    def quotes(self) -> bool:
        """Whether it is a reply that only quotes somebody else's patch."""
        return self.reply and all(diff.quoted for diff in self.text.diffs)

    @property
    def mixed(self) -> bool:
        """Whether it is a reply that quotes a patch and has another."""
        shown = any(diff.quoted for diff in self.text.prose)
        return self.reply and shown and not all(diff.quoted for diff in self.text.diffs)

    @property
    def broken(self) -> tuple[Broken, ...]:
        """The signs of an unreadable diff; replies and cover letters may only speak of diffs."""
        speaks = self.reply or (self.total > 0 and not self.number)
        return tuple(found for found in self.text.broken if not (speaks and found.prose))

    @property
    def slug(self) -> str:
        """The title as part of a file name, like that of git format-patch."""
        words = re.sub(r"[^A-Za-z0-9._]+", "-", self.title).strip("-.")
        return re.sub(r"\.{2,}", ".", words)[:_SLUG].rstrip("-.") or "patch"


def post_of(mail: Mail, text: Text) -> Post:
    """Return a mail as a post, with the information in its subject."""
    place = place_of(mail.subject)
    return Post(
        mail=mail,
        text=text,
        number=place.number,
        total=place.total,
        title=place.title,
        reply=place.reply,
        tagged=place.tagged,
        titled=place.titled,
        perhaps=place.perhaps,
    )
