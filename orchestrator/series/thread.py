"""The order of patches in a thread, as the n/m of their subjects has it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from orchestrator.errors import InputError
from orchestrator.series.diffs import Text
from orchestrator.series.mail import Mail

_TAGS = re.compile(r"^(?:\s*\[(?P<tag>[^\]]*)\])+\s*")
_TAG = re.compile(r"\[([^\]]*)\]")
_NUMBER = re.compile(r"(?:^|[\s:v-])0*(\d{1,4})\s*(?:/|\bof\b)\s*0*(\d{1,4})\b", re.IGNORECASE)
_REPLY = re.compile(r"^(?:\s*(?:Re|Fwd?|AW|SV)(?:\[\d+\])?:)+", re.IGNORECASE)
_TAGGED = re.compile(r"(?:PATCH-?|(?<![\w-])-?)[vV](\d{1,3})(?=[\s\]:,])")
_TITLED = re.compile(r"(?:^|\s|\()[vV](\d{1,3})\)?$")
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
    titled: int | None = None  # or the end of its title

    @property
    def revision(self) -> int:
        """The revision of its series; the first has no number."""
        return self.tagged or self.titled or 1

    @property
    def quotes(self) -> bool:
        """Tell if it is an answer with a patch of somebody else's in it."""
        return self.reply and self.text.quoted

    @property
    def slug(self) -> str:
        """The title as a part of a file's name, like that of git format-patch."""
        words = re.sub(r"[^A-Za-z0-9._]+", "-", self.title).strip("-.")
        return re.sub(r"\.{2,}", ".", words)[:_SLUG].rstrip("-.") or "patch"


def post_of(mail: Mail, text: Text) -> Post:
    """Return what the subject of a mail says about it."""
    subject = mail.subject
    reply = _REPLY.match(subject) is not None
    bare = _REPLY.sub("", subject).strip()
    tags = _TAGS.match(bare)
    number = total = 0
    for tag in _TAG.findall(tags[0]) if tags else ():
        found = _NUMBER.search(tag)
        if found:
            number, total = int(found[1]), int(found[2])
    title = title_of(subject)
    tagged = _TAGGED.search(tags[0]) if tags else None
    titled = _TITLED.search(title)
    return Post(
        mail=mail,
        text=text,
        number=number,
        total=total,
        title=title,
        reply=reply,
        tagged=int(tagged[1]) if tagged else None,
        titled=int(titled[1]) if titled else None,
    )


def title_of(subject: str) -> str:
    """Return a subject without what mailers and git put before it."""
    bare = _REPLY.sub("", subject).strip()
    tags = _TAGS.match(bare)
    return bare[tags.end() :] if tags else bare


def in_order(
    posts: Sequence[Post], *, there: Collection[int | None] = (), revision: int | None = None
) -> tuple[list[Post], list[str]]:
    """Return patches in the order of their numbers, and what there is to say about them.

    A reply that quotes a patch gives way to the patch. `there` are numbers of patches that are
    had already; of several revisions of a series `revision` is taken. Raises InputError if two
    mails claim the same number, or if they are of different series or revisions.
    """
    posts, said = _of_revision(posts, revision)
    by_number: dict[int, Post] = {}
    unnumbered: list[Post] = []
    totals = {post.total: post for post in posts if post.total and not post.reply}
    if len(totals) > 1:
        one, other = list(totals.values())[:2]
        raise InputError(
            f"“{one.mail.subject}” and “{other.mail.subject}” ({one.mail.source}) are of two "
            "series",
            file=other.mail.source,
            hint="import each by itself",
        )
    for post in sorted(posts, key=lambda post: post.reply):
        if not post.total:
            if post.quotes and any(not other.quotes for other in posts):
                said.append(_only_quotes(post))
            else:
                unnumbered.append(post)
            continue
        known = by_number.get(post.number)
        if known is None:
            by_number[post.number] = post
        elif post.reply:
            said.append(_only_quotes(post))
        elif post.text != known.text:
            raise InputError(
                f"patch {post.number}/{post.total} is here twice, and differs from "
                f"{known.mail.source}'s",
                file=post.mail.source,
                hint="give one of the two",
            )
    total = max(totals, default=0)
    had = {*by_number, *there}
    missing = [f"{number}/{total}" for number in range(1, total + 1) if number not in had]
    if missing:
        said.append(f"missing: {', '.join(missing)}")
    return [by_number[number] for number in sorted(by_number)] + unnumbered, said


def _only_quotes(post: Post) -> str:
    return f"{post.mail.source}: “{post.mail.subject}” only quotes a patch: left out"


def _of_revision(posts: Sequence[Post], wanted: int | None) -> tuple[list[Post], list[str]]:
    """Return the posts of one revision, and what there is to say about the others."""
    numbered = [post for post in posts if post.total]
    there = sorted({post.revision for post in numbered})
    known = ", ".join(f"v{number}" for number in there)
    if wanted is None:
        # A title may end in "v2" for other reasons, if nobody claims the same number.
        places = {post.number for post in numbered if not post.reply}
        patches = [post for post in numbered if not post.reply]
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
    if wanted not in there:
        raise InputError(
            f"there is no patch of v{wanted}",
            file=posts[0].mail.source,
            hint=f"there is: {known or 'none with n/m in its subject'}",
        )
    taken = [post for post in numbered if post.revision == wanted]
    left = len(posts) - len(taken)
    return taken, [f"{left} mails of other revisions, or of none: left out"] if left else []
