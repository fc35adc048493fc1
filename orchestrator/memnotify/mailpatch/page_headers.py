"""Find the headers of a mail in the text that a page of an archive shows above it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memnotify.mailpatch.charset import words
from memnotify.mailpatch.tokens import plain

SHOWN_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)")
WANTED = {"from": "From", "date": "Date", "subject": "Subject", "message-id": "Message-Id"}
_PAGE_FROM = re.compile(
    r"(?P<before>.*\S)?\s*@ (?P<date>\d{4}-\d\d-\d\d +\d\d?:\d\d)(?: UTC)?\b\W*(?P<after>[^()]*).*"
)
# Of public-inbox, beside a field.
_BESIDE = re.compile(r"\s+(?:\[[a-z ]+\]|\((?:raw|permalink)\))$")
_DOWNLOAD = re.compile(r"\[Download [\w ]+\]")  # MARC's, above a message
_TAG = re.compile(r"(?:\[[^\]]*\]\s*)*\[[^\]]*PATCH[^\]]*\]", re.IGNORECASE)


def headers_in_text(lines: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the headers that a page's text shows above the mail, and where the mail begins."""
    headers: dict[str, str] = {}
    titled = None
    last = 0
    margin: int | None = None  # that of the first field
    prose = False  # the message has begun
    # lkml.org shows a table, whose text has no colons.
    tabular = any(re.match(r"Subject\s*\S*\[.*PATCH", line, re.IGNORECASE) for line in lines[:40])
    for at, line in enumerate(lines):
        bare = plain(line).strip()
        if bare.startswith(("diff -", "--- ", "Signed-off-by")):
            break
        found = SHOWN_FIELD.fullmatch(bare)
        table = re.fullmatch(r"(From|Date|Subject)\s*(\S.*)", bare) if tabular else None
        indented = len(plain(line)) - len(plain(line).lstrip())
        if prose or (margin is not None and indented > margin):
            found = table = None  # the message shows those of another mail
        for match in (found, table):
            if match and match[1].lower() in WANTED and match[2]:
                margin = indented if margin is None else margin
                name = WANTED[match[1].lower()]
                if name in headers and name != titled:
                    continue
                headers[name] = words(_BESIDE.sub("", match[2]))
                titled = None if name == titled else titled
                last = at + 1
        shown = _PAGE_FROM.fullmatch(bare.removeprefix("From:").strip())
        if shown and "Subject" in headers and at <= last:
            headers["Date"] = shown["date"]
            headers["From"] = shown["before"] or shown["after"].strip()
            last = at + 1
        if "Subject" not in headers and _TAG.match(bare.removeprefix("* ").removeprefix("Re: ")):
            headers["Subject"] = words(bare.removeprefix("* "))
            titled = "Subject"  # by the title of the page, unless a field states it
            last = at + 1
        if last and at - last > 12:
            break
        begins = (
            at > last and bare and not lines[at - 1].strip() and not SHOWN_FIELD.fullmatch(bare)
        )
        prose = prose or (bool(begins) and {"From", "Date", "Subject"}.issubset(headers))
    for at, line in enumerate(lines[last : last + 3], last + 1):
        last = at if _DOWNLOAD.fullmatch(line.strip()) else last
    return headers, last
