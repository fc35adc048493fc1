"""What a subject says of its mail: the place in a series, the revision, and the title."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Tags may be in brackets of any kind, and the first pair of others than [] must name a patch.
_TAGS = re.compile(
    r"^\s*(?:\[[^\]]*\]\s*|[({<\u3010\uff3b](?=[^\])}>\u3011\uff3d]*PATCH)"
    r"[^\])}>\u3011\uff3d]*[\])}>\u3011\uff3d]\s*)+",
    re.IGNORECASE,
)
_TAG = re.compile(r"[\[({<\u3010\uff3b]([^\]})>\u3011\uff3d]*(?:\([^)]*\)[^\])}>\u3011\uff3d]*)?)")
_NUMBER = re.compile(
    r"(?:^|[^\w./]|v|PATCH[_.]?)0*(\d{1,4})\s*(?:/|\\|\bof\b)\s*0*(\d{1,4})(?![\w/])",
    re.IGNORECASE,
)
# The number of patches was not known yet: [PATCH 2/N], or [PATCH 2].
_OPEN = re.compile(
    r"(?:^|PATCH\W{0,2}|\s)0*(\d{1,3})/[NX?]+(?!\w)|PATCH\W{0,2}0*(\d{1,3})\s*$", re.IGNORECASE
)
_OF = r"0*(?P<{0}>\d{{1,4}})(?:/|\s+of\s+)0*(?P<{0}s>\d{{1,4}})"
_PART = r"(?:(?:part|patch|no\.?|number)\s+)?"
# Before the title: (3/5) title; PATCH 3/5: title; patch [3/5] title. Or at its end: title (3/5).
_BARE = re.compile(
    rf"(?:(?:RFC\W+)?PATCH\W{{0,2}})?[\[({{<|]{_PART}{_OF.format('one')}[\])}}>|]:?\s*(?=\S)"
    rf"|(?:RFC\s+)?PATCH:?\s*[#,|]?\s*{_OF.format('two')}[:,]?\s+(?=\S)"
    rf"|[#,|]?\s*{_PART}{_OF.format('three')}:\s+(?=\S)"
    rf"|(?<=\S)\s*[\[({{]{_PART}{_OF.format('four')}[\])}}]$",
    re.IGNORECASE,
)
# A fraction may also have this form: it is a number if several mails have one of the same m.
_FRACTION = re.compile(
    rf"[#,|]?\s*{_PART}{_OF.format('one')}(?![\w/.]),?\s+(?=\S)"
    rf"|(?<=\S)(?:,|:|\s+-|)(?:\s+{_PART})\s*#?{_OF.format('two')}$",
    re.IGNORECASE,
)
_REPLY = re.compile(r"^(?:\s*(?:Re|Fwd?|AW|SV)(?:\[\d+\])?:)+", re.IGNORECASE)
_SAID = r"(?:take|try|version|rev(?:ision)?\.?|round)\s*#?\s*(\d{1,3})(?![\w.])"
_TAGGED = re.compile(
    rf"(?:PATCH-?|(?<![\w-])-?)[vV](\d{{1,3}})(?=[\s\]:,)}}>]|-\d+\s*/|$)|(?<!\w){_SAID}"
    r"|\d\s*(?:/|of)\s*\d+\s+#(\d{1,2})(?![\w/])",
    re.IGNORECASE,
)
# At the end of a title, or before its first colon: "mem_notify v6: title".
_TITLED = re.compile(
    r"(?:^|\s|\()[vV](\d{1,3})\)?$|^(?:[^:]{0,60}[\s_-])?[vV](\d{1,3})\s*:"
    rf"|(?:^|[\s(,]){_SAID}\)?$",
    re.IGNORECASE,
)
_AROUND = " \t-:,|"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSubject:
    """The information in a subject: n of m (0 of 0: none), the title, and the revision.

    `tagged` is the revision that its tags state, `titled` that of its title. `perhaps` are n, m and
    title if a fraction in it is an n/m; m is 0 if it is open.
    """

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
    opened = None
    for tag in _TAG.findall(tags[0]) if tags else ():
        found = _NUMBER.search(tag)
        if found:
            number, total = int(found[1]), int(found[2])
        opened = _OPEN.search(tag) or opened
    before = None if total else _numbered(_BARE, title)
    if before:
        number, total, title = before
    perhaps = None if total else _numbered(_FRACTION, title)
    if opened and not total and not perhaps:
        perhaps = int(opened[1] or opened[2]), 0, title
    if total:
        title = title.strip(_AROUND) or title
    tagged = _TAGGED.search(tags[0]) if tags else None
    titled = _TITLED.search(title)
    return ParsedSubject(
        number=number,
        total=total,
        title=title,
        reply=_REPLY.match(subject) is not None,
        tagged=_first(tagged),
        titled=_first(titled),
        perhaps=perhaps,
    )


def title_of(subject: str) -> str:
    """Return a subject without the prefixes of mailers and git."""
    return place_of(subject).title


def _first(found: re.Match[str] | None) -> int | None:
    digits = next((group for group in found.groups() if group), None) if found else None
    return int(digits) if digits else None


def _numbered(pattern: re.Pattern[str], title: str) -> tuple[int, int, str] | None:
    """Return the n and m in a title, and the title without them; None if it has none."""
    for found in pattern.finditer(title):
        number, total = (int(digits) for digits in found.groups() if digits is not None)
        if number <= total and (found.start() == 0 or found.end() == len(title)):
            rest = title[: found.start()] + title[found.end() :]
            return number, total, rest.strip(_AROUND) or rest
    return None
