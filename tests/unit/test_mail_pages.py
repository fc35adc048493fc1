"""The mails in the pages of archives, and in the text of pages."""

from __future__ import annotations

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.mail import mails_of

from tests.support.raw_mails import DIFF, OTHER, PATH, data_of, digest, only


def test_a_page_and_its_text() -> None:
    shown = ["Subject: [PATCH] x", "From: Ada <ada@example.org>", "Date: now", "", *DIFF]
    escaped = "\n".join(shown).replace("<", "&lt;").replace(">", "&gt;")
    data = f"<html><body><pre>\n{escaped}\n</pre></body></html>".encode()
    mail = only(data)
    assert mail.headers == {
        "Subject": "[PATCH] x",
        "From": "Ada <ada@example.org>",
        "Date": "now",
    }
    assert (mail.first, mail.undone, mail.sha256) == (None, ("HTML",), digest(data))
    assert (mail.source, [line for line in mail.lines if line]) == ("mails", DIFF)
    crlf = data.replace(b"\n", b"\r\n")
    assert (only(crlf).lines, only(crlf).sha256) == (mail.lines, digest(crlf))
    with pytest.raises(InputError, match="a line that is longer than any mail has") as caught:
        mails_of(data.replace(b"+new", b"+" + b"x" * 20_000), PATH)
    assert caught.value.file == PATH
    # A page may have lines that are longer than those of any mail.
    menu = f"<a href={'x' * 5000}></a>\n<pre>".encode()
    assert [line for line in only(data.replace(b"<pre>", menu)).lines if line] == DIFF
    text = only(data_of("lkml", *shown))
    assert (text.headers, text.first, text.undone) == (mail.headers, 5, ())
    latin = data.replace(b"<body>", b'<meta content="text/html; charset=koi8-r"><body>')
    latin = latin.replace(b"+new", b"+\xc1")
    assert "+\u0430" in only(latin).lines
    assert only(data.replace(b"+new", b"+\xe9")).doubts == ("no charset is stated",)


@pytest.mark.parametrize(
    ("lines", "headers", "first"),
    [
        # lkml.org shows a table.
        (
            ["Date\tnow", "From\tAda", "Subject\t[PATCH] x"],
            {"Date": "now", "From": "Ada", "Subject": "[PATCH] x"},
            4,
        ),
        (
            ["Date\tnow", "From\tAda", "Subject\t[Patch] x"],
            {"Date": "now", "From": "Ada", "Subject": "[Patch] x"},
            4,
        ),
        # public-inbox shows the title first, and links beside fields.
        (
            ["* [PATCH] x", "@ 2008-01-15  1:00 UTC Ada", "To: list"],
            {"Subject": "[PATCH] x", "Date": "2008-01-15  1:00", "From": "Ada"},
            3,
        ),
        (
            ["* [PATCH] x", "From: Ada @ 2008-01-15  1:00 UTC (permalink / raw)"],
            {"Subject": "[PATCH] x", "Date": "2008-01-15  1:00", "From": "Ada"},
            3,
        ),
        (
            ["[PATCH] x", "Subject: [PATCH] the whole", "Message-Id: <1@a> (raw)"],
            {"Subject": "[PATCH] the whole", "Message-Id": "<1@a>"},
            4,
        ),
        (["Subject: one", "Subject: two"], {"Subject": "one"}, 2),
        (["Re: [PATCH] x", "From: Ada [download]"], {"Subject": "Re: [PATCH] x", "From": "Ada"}, 3),
        (["[PATCH] x", "From: Ada", "[PATCH] y"], {"Subject": "[PATCH] x", "From": "Ada"}, 3),
        # MARC's link is above the message.
        (
            ["Subject: [PATCH] x", "From: Ada", "[Download RAW message or body]"],
            {"Subject": "[PATCH] x", "From": "Ada"},
            4,
        ),
        (["Text.", "Signed-off-by: Ada", "Subject: no"], {}, 1),
        (["Subject: x", *["-"] * 13, "From: far"], {"Subject": "x", "From": "far"}, 16),
        (["Subject: x", *["-"] * 14, "From: far"], {"Subject": "x"}, 2),
    ],
)
def test_headers_in_the_text_of_a_page(
    lines: list[str], headers: dict[str, str], first: int
) -> None:
    mail = only(data_of(*lines, *DIFF))
    assert mail.headers == headers
    assert mail.first == first


def test_several_pages_in_one_text() -> None:
    page = ["Subject: [PATCH 1/2] x", "From: Ada", "", *DIFF, ""]
    one, two = mails_of(data_of("lkml", *page, *page[:2], "", *OTHER), PATH)
    assert [line for line in one.lines if line] == DIFF
    assert [line for line in two.lines if line] == OTHER
    assert (one.first, two.first) == (4, 13)


COMMENTS = """<html><body>
<!-- name="Bo" -->
<!-- subject="[PATCH] of the page" -->
<p>Subject: [PATCH] cut...
<p>Date: now
<p>Next in thread: Ada
<!-- body="start" -->
<pre>
A message.
@@
</pre></body></html>
"""


def test_what_a_page_has_in_comments_is_about_its_one_mail() -> None:
    mail = only(COMMENTS.replace("@@", "\n".join(DIFF)).encode())
    assert mail.headers == {"From": "Bo", "Subject": "[PATCH] of the page", "Date": "now"}
    assert [line for line in mail.lines if line] == ["A message.", *DIFF]
    assert mail.doubts == ()
    more = ["Subject: [PATCH 2/2] y", "From: Ada", "", *OTHER]
    two = COMMENTS.replace("@@", "\n".join([*DIFF, "", *more])).encode()
    assert [mail.subject for mail in mails_of(two, PATH)] == ["[PATCH] cut...", "[PATCH 2/2] y"]


def test_a_long_line_of_a_diff_in_a_page() -> None:
    long = f"+{'x' * 5000}"
    mail = only(COMMENTS.replace("@@", "\n".join([*DIFF, long])).encode())
    assert long in mail.lines


def test_the_text_of_a_page_is_told_by_its_digest_and_doubted_without_a_charset() -> None:
    data = data_of("lkml", "Subject: [PATCH] x", "From: Ada", "", *DIFF)
    assert (only(data).sha256, only(data).doubts) == (digest(data), ())
    crlf = data.replace(b"\n", b"\r\n")
    assert (only(crlf).lines, only(crlf).sha256) == (only(data).lines, digest(crlf))
    assert only(data.replace(b"+new", b"+\xe9")).doubts == ("no charset is stated",)


def test_the_text_of_a_page_that_is_signed_inline() -> None:
    signed = ["-----BEGIN PGP SIGNED MESSAGE-----", "Hash: SHA1", ""]
    signature = ["-----BEGIN PGP SIGNATURE-----", "", "x", "-----END PGP SIGNATURE-----"]
    escaped = [f"- {line}" if line.startswith("-") else line for line in DIFF]
    shown = ["lkml", "Subject: [PATCH] x", "From: Ada", "", *signed, *escaped, *signature]
    mail = only(data_of(*shown))
    assert mail.undone == ("inline PGP signature",)
    assert [line for line in mail.lines if line] == [*DIFF, "-----"]


def test_a_text_of_more_pages_than_a_thread_has_is_refused() -> None:
    page = ["Subject: [PATCH] x", "From: a", "", "@@ -1 +1 @@", "-a", "+b", ""]
    with pytest.raises(InputError, match="more than 2,000 mails") as caught:
        mails_of(data_of("lkml", *page * 2001), PATH)
    assert caught.value.file == PATH
