"""Which parts of a mail are its text, and what was done to them."""

from __future__ import annotations

import base64
import email
import gzip
from email.message import Message
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.body import PartText, nested_in, parts_of, texts_of, unflowed

MAIL = Path("mail")
DIFF = "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-x\n+y"


def mail(*parts: str, kind: str = "mixed") -> Message:
    """Return a mail of parts, each with its headers."""
    inner = "".join(f"--b\n{part}\n" for part in parts)
    head = f"Subject: a\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=b\n\n"
    return email.message_from_string(f"{head}{inner}--b--\n")


def part(kind: str, body: str = "text", more: str = "") -> str:
    return f"Content-Type: {kind}\n{more}\n{body}"


def lines_of(message: Message) -> list[list[str]]:
    return [list(text.lines) for text in texts_of(message, MAIL)]


def encoded(data: bytes, kind: str = "application/octet-stream", name: str = "") -> str:
    disposition = f"Content-Disposition: attachment; filename={name}\n" if name else ""
    letters = base64.b64encode(data).decode()
    return part(kind, letters, f"Content-Transfer-Encoding: base64\n{disposition}")


@pytest.mark.parametrize(
    ("kind", "name", "taken"),
    [
        ("text/plain", "", True),
        ("text/x-patch", "a.bin", True),
        ("application/octet-stream", "", True),
        ("application/x-patch", "", True),
        ("application/patch", "", True),
        ("application/x-diff", "", True),
        ("application/pdf", "", False),
        ("application/pdf", "a.pdf", False),
        ("application/pgp-signature", "signature.asc", False),
        ("image/png", "", False),
        ("application/foo", "a.patch", True),
        ("application/foo", "A.DIFF", True),
        ("application/foo", "a.txt", True),
        ("application/foo", "a.patch.gz", True),
        ("application/foo", "a.patch.zip", False),
    ],
)
def test_texts_are_known_by_their_type_or_the_name_of_their_file(
    kind: str, name: str, taken: bool
) -> None:
    disposition = f"Content-Disposition: attachment; filename={name}\n" if name else ""
    found = texts_of(mail(part(kind, DIFF, disposition)), MAIL)
    assert found == ([PartText(lines=tuple(DIFF.split("\n")), name=name)] if taken else [])


def test_a_name_that_cannot_be_decoded_is_none() -> None:
    disposition = "Content-Disposition: attachment; filename*=idna''a%FF.patch\n"
    (text,) = texts_of(mail(part("text/plain", DIFF, disposition)), MAIL)
    assert text.name == ""


def test_a_mail_of_one_part_is_its_own_text() -> None:
    assert lines_of(email.message_from_string("Subject: a\n\none\ntwo\n")) == [["one", "two", ""]]


def test_parts_of_parts_are_in_order_without_attached_mails() -> None:
    inner = part('multipart/alternative; boundary="c"', f"--c\n{part('text/plain', 'two')}\n--c--")
    attached = part("message/rfc822", "Subject: inner\n\nthree")
    whole = mail(part("text/plain", "one"), inner, attached, part("text/plain", "four"))
    assert lines_of(whole) == [["one"], ["two"], ["four"]]
    assert [found.get_content_type() for found in parts_of(whole)] == ["text/plain"] * 3
    assert [found["Subject"] for found in nested_in(whole)] == ["inner"]


def test_a_digest_is_made_of_mails() -> None:
    whole = mail("\nSubject: one\n\na", "\nSubject: two\n\nb", kind="digest")
    assert [found["Subject"] for found in nested_in(whole)] == ["one", "two"]
    assert lines_of(whole) == []
    assert list(nested_in(email.message_from_string("Subject: a\n\nb"))) == []


def test_the_page_of_a_mail_that_has_its_text_is_left_out() -> None:
    page = part("text/html", "<pre>@@ -1 +1 @@</pre>")
    assert lines_of(mail(part("text/plain", DIFF), page)) == [DIFF.split("\n")]
    assert len(lines_of(mail(part("text/plain", "see below"), page))) == 2
    (text,) = texts_of(mail(page), MAIL)
    assert (text.page, text.undone, text.name) == (True, ("HTML",), "")
    assert "@@ -1 +1 @@" in text.lines


def test_what_was_undone_is_told() -> None:
    letters = base64.b64encode(b"<pre>a</pre>").decode()
    coded = part("text/html", letters, "Content-Transfer-Encoding: base64\n")
    (page,) = texts_of(mail(coded), MAIL)
    assert page.undone == ("base64", "HTML")
    flowed = "Content-Transfer-Encoding: quoted-printable\n"
    (text,) = texts_of(mail(part("text/plain; format=Flowed", "a=3D \nb", flowed)), MAIL)
    assert (text.undone, text.lines) == (("quoted-printable", "format=flowed"), ("a= b",))
    (text,) = texts_of(mail(part("text/plain; format=flowed; delsp=YES", "a \nb")), MAIL)
    assert text.lines == ("ab",)
    (text,) = texts_of(mail(part("text/plain; format=fixed", "a \nb")), MAIL)
    assert (text.undone, text.lines) == ((), ("a ", "b"))


def test_what_is_doubtful_is_told() -> None:
    stated = "Content-Transfer-Encoding: quoted-printable\n"
    (text,) = texts_of(mail(part("text/plain; charset=x-martian", "a = =3D =E9", stated)), MAIL)
    assert text.doubts == (
        "the text is not quoted-printable, as the mail states",
        "the charset 'x-martian' is not known",
    )
    (text,) = texts_of(mail(part("text/plain")), MAIL)
    assert text.doubts == ()


def test_what_is_doubtful_of_a_page_is_told() -> None:
    (text,) = texts_of(mail(encoded(b"<pre>caf\xe9 shut</pre>", "text/html")), MAIL)
    assert (text.page, text.doubts) == (True, ("no charset is stated",))


def test_an_archive_is_refused_with_the_mail_that_has_it() -> None:
    with pytest.raises(InputError, match="a zip archive, not a mail") as caught:
        texts_of(mail(encoded(b"PK\x03\x04 and more", name="a.patch")), MAIL)
    assert caught.value.file == MAIL


def test_a_compressed_part_is_unpacked() -> None:
    data = gzip.compress("é\n".encode("latin-1"))
    (text,) = texts_of(mail(encoded(data, "text/plain; charset=utf-8", "a.patch.gz")), MAIL)
    # The charset of the mail says nothing about what is in the file.
    assert (text.lines, text.doubts) == (("é", ""), ("no charset is stated",))
    (text,) = texts_of(mail(encoded("café".encode("latin-1"), "text/plain; charset=utf-8")), MAIL)
    assert text.doubts == ("the text is not in utf-8, as the mail states",)


@pytest.mark.parametrize("charset", ["utf-16", "utf-16le", "utf-32le"])
def test_zeros_are_text_only_in_wide_charsets(charset: str) -> None:
    wide = encoded("ab\ncé".encode(charset), f"text/plain; charset={charset}")
    assert lines_of(mail(wide)) == [["ab", "cé"]]
    assert lines_of(mail(encoded(b"a\0b", "text/plain; charset=utf-8"))) == []
    assert lines_of(mail(encoded(b"a\0b", "text/plain"))) == []


def test_line_ends_of_the_transport_are_taken_off_and_those_of_the_file_are_not() -> None:
    crlf = DIFF.replace("\n", "\r\n")
    assert lines_of(mail(encoded(crlf.encode(), "text/plain"))) == [DIFF.split("\n")]
    own = "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-x\r\n+y\r\n"
    assert lines_of(mail(encoded(own.encode(), "text/plain"))) == [own.split("\n")]
    marked = b"\xef\xbb\xbfone"
    assert lines_of(mail(encoded(marked, "text/plain; charset=utf-8"))) == [["one"]]
    wide = "\ufeffone".encode("utf-16-be")
    assert lines_of(mail(encoded(wide, "text/plain; charset=utf-16be"))) == [["one"]]


def test_a_line_that_no_mail_has_is_refused() -> None:
    with pytest.raises(InputError, match="longer than any mail has") as caught:
        texts_of(mail(encoded(b"x" * 4001, "text/plain")), MAIL)
    assert caught.value.file == MAIL
    page = encoded(b"<pre>" + b"x" * (4 << 20) + b"</pre>", "text/html")
    with pytest.raises(InputError, match="too large for a page") as caught:
        texts_of(mail(page), MAIL)
    assert caught.value.file == MAIL


@pytest.mark.parametrize(
    ("lines", "delsp", "done"),
    [
        (["a ", "b"], False, ["a b"]),
        (["a ", "b"], True, ["ab"]),
        (["one ", "two"], True, ["onetwo"]),
        (["a ", "b ", "c", "d"], False, ["a b c", "d"]),
        ([" a", "  b"], False, ["a", " b"]),
        ([" a ", "  b"], False, ["a  b"]),
        (["a", "-- ", "b"], False, ["a", "-- ", "b"]),
        (["a", "-- ", "b"], True, ["a", "-- ", "b"]),
        (["a "], False, ["a "]),
        (["", "a"], False, ["", "a"]),
        ([], False, []),
    ],
)
def test_flowed_lines_are_joined(lines: list[str], delsp: bool, done: list[str]) -> None:
    assert unflowed(lines, delsp=delsp) == done


@pytest.mark.parametrize("charset", ["idna", "undefined", "klingon-8"])
def test_a_charset_that_decodes_no_text_is_doubted(charset: str) -> None:
    head = f"MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\n\n"
    message = email.message_from_bytes(head.encode() + "chang\xe9".encode("latin-1"))
    (text,) = texts_of(message, MAIL)
    assert text.lines == ("changé",)
    assert text.doubts == (f"the charset '{charset}' is not known",)
    assert list(nested_in(message)) == []
