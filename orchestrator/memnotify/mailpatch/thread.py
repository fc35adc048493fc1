"""The order of patches in a thread, according to the n/m of their subjects."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from memnotify.errors import InputError
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.raw import Broken, Text
from memnotify.mailpatch.repeats import same_diffs
from memnotify.text import counted

_TAGS = re.compile(r"^(?:\s*\[(?P<tag>[^\]]*)\])+\s*")
_TAG = re.compile(r"\[([^\]]*)\]")
_NUMBER = re.compile(
    r"(?:^|[^\w./]|v|PATCH)0*(\d{1,4})\s*(?:/|\bof\b)\s*0*(\d{1,4})(?![\w/])", re.IGNORECASE
)
_OF = r"0*(?P<{0}>\d{{1,4}})/0*(?P<{0}s>\d{{1,4}})"
# Before the title: (3/5) title; PATCH 3/5: title; patch [3/5] title. Or at its end: title (3/5).
_BARE = re.compile(
    rf"(?:(?:RFC\W+)?PATCH\W{{0,2}})?[\[({{<]{_OF.format('one')}[\])}}>]:?\s+(?=\S)"
    rf"|(?:RFC\s+)?PATCH\s*[#,|]?\s*{_OF.format('two')}[:,]?\s+(?=\S)"
    rf"|[#,|]?\s*{_OF.format('three')}:\s+(?=\S)"
    rf"|(?<=\S)\s+[\[({{]{_OF.format('four')}[\])}}]$",
    re.IGNORECASE,
)
# A fraction may have this form, too: it is a number if several mails have one of the same m.
_FRACTION = re.compile(
    rf"[#,|]?\s*{_OF.format('one')}(?![\w/.]),?\s+(?=\S)"
    rf"|(?<=\S)(?:,|:|\s+part|\s+patch)?\s+#?{_OF.format('two')}$",
    re.IGNORECASE,
)
_REPLY = re.compile(r"^(?:\s*(?:Re|Fwd?|AW|SV)(?:\[\d+\])?:)+", re.IGNORECASE)
_TAGGED = re.compile(r"(?:PATCH-?|(?<![\w-])-?)[vV](\d{1,3})(?=[\s\]:,])")
# At the end of a title, or before its first colon: "mem_notify v6: title".
_TITLED = re.compile(r"(?:^|\s|\()[vV](\d{1,3})\)?$|^(?:[^:]{0,60}[\s_-])?[vV](\d{1,3})\s*:")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSubject:
    """The information in a subject; the fields are those of `Post`."""

    number: int
    total: int
    title: str
    reply: bool
    tagged: int | None
    titled: int | None
    perhaps: tuple[int, int, str] | None = None


def place_of(subject: str) -> ParsedSubject:
    """Return the information in a subject about its mail's place in a series."""
    bare = _REPLY.sub("", subject).strip()
    tags = _TAGS.match(bare)
    title = bare[tags.end() :] if tags else bare
    number = total = 0
    for tag in _TAG.findall(tags[0]) if tags else ():
        found = _NUMBER.search(tag)
        if found:
            number, total = int(found[1]), int(found[2])
    before = None if total else _numbered(_BARE, title)
    if before:
        number, total, title = before
    perhaps = None if total else _numbered(_FRACTION, title)
    tagged = _TAGGED.search(tags[0]) if tags else None
    titled = _TITLED.search(title)
    return ParsedSubject(
        number=number,
        total=total,
        title=title,
        reply=_REPLY.match(subject) is not None,
        tagged=int(tagged[1]) if tagged else None,
        titled=int(titled[1] or titled[2]) if titled else None,
        perhaps=perhaps,
    )


def _numbered(pattern: re.Pattern[str], title: str) -> tuple[int, int, str] | None:
    """Return the n and m in a title, and the title without them; None if it has none."""
    for found in pattern.finditer(title):
        number, total = (int(digits) for digits in found.groups() if digits is not None)
        if number <= total and (found.start() == 0 or found.end() == len(title)):
            return number, total, title[: found.start()] + title[found.end() :]
    return None


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


def title_of(subject: str) -> str:
    """Return a subject without the prefixes of mailers and git."""
    return place_of(subject).title


def in_order(
    posts: Sequence[Post], *, there: Collection[int | None] = (), revision: int | None = None
) -> tuple[list[Post], list[str]]:
    """Return patches in the order of their numbers, and notes about them.

    A patch wins over a reply, whether that quotes it or has another of its own. `there` has the
    numbers of patches that exist already. `revision` selects one of several revisions of a series.
    Raises InputError if two mails claim the same number, if they are of different series or
    revisions, and if the only mail for a patch is a reply that both quotes one and has its own.
    """
    posts, said = _of_revision(_with_fractions(posts), revision)
    if not there and _is_listed_otherwise(posts):
        return _as_listed(posts, said)
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
    patches = [post for post in posts if not post.reply]
    for post in sorted(posts, key=_likeness, reverse=True):
        known = by_number.get(post.number) if post.total else next(iter(patches), None)
        # A reply to a cover letter, or to a patch that exists already, is not a missing patch.
        idle = bool(patches) and (not post.number or post.number in there or post.mixed)
        if post.reply and (known is not None or idle):
            said.append(_left_out(post))
        elif not post.total:
            unnumbered.append(_whole(post))
        elif known is None:
            by_number[post.number] = _whole(post)
        elif not same_diffs(post.text.diffs, known.text.diffs):
            raise InputError(
                f"patch {post.number}/{post.total} is here twice, and differs from "
                f"{known.mail.source}'s",
                file=post.mail.source,
                hint="give only one of the two",
            )
    said += [_taken(post) for post in (*by_number.values(), *unnumbered) if post.reply]
    total = max(totals, default=0)
    had = {*by_number, *there}
    missing = [f"{number}/{total}" for number in range(1, total + 1) if number not in had]
    if missing:
        said.append(f"missing: {', '.join(missing)}")
    unnumbered = _once(unnumbered)
    if len(unnumbered) > 1 and not all(post.mail.place for post in unnumbered):
        said.append(f"{len(unnumbered)} patches without n/m in the subject: in the order given")
    return [by_number[number] for number in sorted(by_number)] + unnumbered, said


def _once(posts: Sequence[Post]) -> list[Post]:
    """Return posts without those that are the same mail as another, sent by another list."""
    kept: list[Post] = []
    for post in posts:
        if not any(_same_mail(post, other) for other in kept):
            kept.append(post)
    return kept


def _same_mail(post: Post, other: Post) -> bool:
    own, its = (found.mail.headers.get("Message-Id") for found in (post, other))
    same = own == its if own and its else True
    return same and post.title == other.title and same_diffs(post.text.diffs, other.text.diffs)


def _with_fractions(posts: Sequence[Post]) -> list[Post]:
    """Return posts with the numbers in titles that several have with the same m: these are n/m."""
    claims: dict[int, set[int]] = {}
    for post in posts:
        if post.perhaps:
            claims.setdefault(post.perhaps[1], set()).add(post.perhaps[0])
    return [
        replace(post, number=post.perhaps[0], total=post.perhaps[1], title=post.perhaps[2])
        if post.perhaps and len(claims[post.perhaps[1]]) > 1
        else post
        for post in posts
    ]


def _is_listed_otherwise(posts: Sequence[Post]) -> bool:
    """Return whether a list has patches that it leaves out, or in an order that is not by n/m."""
    placed = [post for post in posts if post.mail.place]
    numbers = [post.number for post in placed]
    inside = all(post.mail.place and post.mail.place[1] >= 0 for post in placed)
    if inside and (all(post.total for post in placed) or not any(post.total for post in placed)):
        return bool(any(numbers)) and numbers != sorted(set(numbers))
    return True


def _as_listed(posts: Sequence[Post], said: list[str]) -> tuple[list[Post], list[str]]:
    """Return patches in the order of their list: a series file, or the commits of a log."""
    listed = [post for post in posts if post.mail.place and post.mail.place[1] >= 0]
    for post in posts:
        if post.mail.place and post.mail.place[1] < 0:
            said.append(f"{_named(post)} is not in the series file: left out")
        elif not post.mail.place:
            listed.append(post)
    total = len(listed)
    return [replace(post, number=n, total=total) for n, post in enumerate(listed, 1)], said


def _likeness(post: Post) -> tuple[bool, bool, int]:
    """Rank the mails with a number: the patch itself, then the reply that quotes most of it."""
    hunks = sum(len(diff.hunks) for diff in post.text.diffs)
    return not post.reply, post.quotes, hunks if post.reply else 0


def _whole(post: Post) -> Post:
    """Return a post with one patch in it. Raises InputError if it quotes one and has another."""
    if post.mixed:
        raise InputError(
            f"“{post.mail.subject}” quotes a patch and has another of its own",
            file=post.mail.source,
            hint="give the patch, or a file with one of the two",
        )
    return post


def _named(post: Post) -> str:
    return f"{post.mail.source}: “{post.mail.subject}”"


def _left_out(post: Post) -> str:
    if post.quotes:
        return f"{_named(post)} only quotes a patch: left out"
    return (
        f"{_named(post)} is an answer with a diff of its own: left out (give it alone to take it)"
    )


def _taken(post: Post) -> str:
    if post.quotes:
        return f"{_named(post)} is an answer: what it does not quote of the patch is not in it"
    return f"{_named(post)} is an answer, and its diff may not be the patch of that name"


def _of_revision(posts: Sequence[Post], wanted: int | None) -> tuple[list[Post], list[str]]:
    """Return the posts of one revision, and notes about the others."""
    numbered = [post for post in posts if post.total]
    there = sorted({post.revision for post in numbered})
    known = ", ".join(f"v{number}" for number in there)
    if wanted is None:
        # A title may end in "v2" for other reasons, unless two mails claim the same number.
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
    # A sample program that comes with a series has no number, but names its revision.
    taken = [
        post
        for post in posts
        if (post.revision if post.total else post.tagged or post.titled) == wanted
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
