"""The order of patches in a thread, according to the n/m of their subjects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from memnotify.errors import InputError
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.post import Post
from memnotify.mailpatch.repeats import same_diffs
from memnotify.mailpatch.revisions import of_revision, with_covers


def in_order(
    posts: Sequence[Post],
    *,
    others: Sequence[Mail] = (),
    there: Collection[int | None] = (),
    revision: int | None = None,
) -> tuple[list[Post], list[str]]:
    """Return patches in the order of their numbers, and notes about them.

    A patch wins over a reply, whether that quotes it or has another of its own. `others` are the
    mails without a diff. `there` has the numbers of patches that exist already. `revision` selects
    one of several revisions of a series.
    Raises InputError if two mails claim the same number, if they are of different series or
    revisions, and if the only mail for a patch is a reply that both quotes one and has its own.
    """
    posts, said = of_revision(with_covers(_with_fractions(posts), others), revision)
    if not there and _is_listed_otherwise(posts):
        return _as_listed(posts, said)
    by_number: dict[int, Post] = {}
    unnumbered: list[Post] = []
    totals = {post.total: post for post in posts if post.total and not post.reply}
    if len(totals) > 1:
        one, other = list(totals.values())[:2]
        raise InputError(
            f"“{other.mail.subject}” and “{one.mail.subject}” ({one.mail.source}) are of two "
            "series",
            file=other.mail.source,
            hint="import each by itself",
        )
    patches = [post for post in posts if not post.reply]
    for post in sorted(posts, key=_likeness, reverse=True):
        known = by_number.get(post.number) if post.total else None
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
    elif unnumbered and by_number:
        said.append(f"{_named(unnumbered[0])} has no n/m in its subject: after the others")
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
    """Return posts with the numbers in titles that several have with the same m: these are n/m.

    An m that nobody knew is the largest n.
    """
    claims: dict[int, set[int]] = {}
    for post in posts:
        if post.perhaps:
            claims.setdefault(post.perhaps[1], set()).add(post.perhaps[0])
    return [
        replace(
            post,
            number=post.perhaps[0],
            total=post.perhaps[1] or max(claims[0]),
            title=post.perhaps[2],
        )
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
