"""Extract the text of a page that a browser saved from a web archive.

Archives have only this in common: the mail is in a <pre>, or in lines that end with <br>, and
headers are in the text above it, or in comments that the archive's program wrote for its own use.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

_BLOCKS = re.compile(
    r"address|article|blockquote|body|br|d[dlt]|div|footer|form|h[1-6r]|head|header|html|[ou]l|li|p"
    r"|pre|section|table|tbody|tr|title"
)
_SILENT = frozenset(("script", "style", "template"))
# MHonArc writes <!--X-Subject: … -->, hypermail <!-- subject="…" -->.
_COMMENT = re.compile(
    r'\s*(?:X-(?P<mhonarc>[\w-]+):\s*(?P<value>.*?)|(?P<hypermail>\w+)="(?P<quoted>.*)")\s*',
    re.DOTALL,
)
_HYPERMAIL = {"id": "Message-Id", "subject": "Subject", "name": "From", "sent": "Date"}
_BODY = ("X-Body-of-Message", 'body="start"')  # what is above is the archive's
_MHONARC = {"message-id": "Message-Id", "subject": "Subject", "from-r13": "", "date": "Date"}


def looks_like_page(text: str) -> bool:
    """Return whether a text is HTML."""
    return (
        re.match(
            r"\s*(?:<\?xml.*?\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype|html|head|body|pre)\b",
            text[:4096],
            re.IGNORECASE | re.DOTALL,
        )
        is not None
    )


def page_text(html: str) -> tuple[list[str], dict[str, str], int]:
    """Return the lines of a page, the mail's headers in its comments, and where its text begins.

    That is 0 if the page does not say it, or has several mails.
    """
    reader = _Page()
    reader.feed(html)
    reader.close()
    reader.end_line()
    begin = reader.bodies[0] if len(reader.bodies) == 1 else 0
    return reader.lines, reader.headers, begin


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.headers: dict[str, str] = {}
        self.bodies: list[int] = []  # the line at which each begins
        self._line: list[str] = []
        self._pre = 0
        self._silent = 0

    def end_line(self) -> None:
        """Begin a new line, unless one has just begun."""
        line = "".join(self._line)
        if line.strip() or (self._pre and line):
            self.lines.append(line)
        self._line = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in ("td", "th"):
            self._line += ["\t"] if any(map(str.strip, self._line)) else []
        elif tag == "br":
            self.lines.append("".join(self._line))
            self._line = []
        elif _BLOCKS.fullmatch(tag):
            self.end_line()
            if tag == "p" and self.lines and self.lines[-1]:
                self.lines.append("")
        if tag == "pre":
            self._pre += 1
            self._after_pre = True

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif _BLOCKS.fullmatch(tag) and tag != "br":
            self.end_line()
        if tag == "pre":
            self._pre = max(0, self._pre - 1)
            self.lines.append("")

    _after_pre = False

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if not self._pre:
            text = re.sub(r"[ \t\r\n]+", " ", data)
            self._line.append(text if any(self._line) else text.lstrip(" "))
            return
        if self._after_pre:
            # A line end directly after <pre> is not shown.
            data = re.sub(r"^\r?\n", "", data)
            self._after_pre = False
        first, *rest = data.replace("\r\n", "\n").split("\n")
        self._line.append(first)
        for line in rest:
            self.lines.append("".join(self._line))
            self._line = [line]

    def handle_comment(self, data: str) -> None:
        if data.strip() in _BODY:
            self.end_line()
            self.bodies.append(len(self.lines))
        found = _COMMENT.fullmatch(data)
        if found is None:
            return
        if found["mhonarc"]:
            name = _MHONARC.get(found["mhonarc"].lower(), "")
            value = found["value"].replace("&#45;", "-")
        else:
            name = _HYPERMAIL.get(found["hypermail"], "")
            value = found["quoted"]
        if name:
            self.headers.setdefault(name, " ".join(unescape(value).split()))
