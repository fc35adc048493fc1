"""The mails in the bytes of a file: raw, in an mbox, attached, several in one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.mail import headers_of, mails_of, placed, read_mails
from memnotify.mailpatch.transfer import UNDECODED

from tests.support.raw_mails import DIFF, HEADERS, OTHER, PATH, data_of, digest, head, only


def test_a_raw_mail() -> None:
    data = data_of(*head(), "", "A message.", "", *DIFF)
    mail = only(data)
    assert (mail.source, mail.sha256, mail.headers) == ("mails", digest(data), HEADERS)
    assert mail.lines == ("A message.", "", *DIFF, "")
    assert mail.levels == (mail.lines,)
    assert (mail.first, mail.undone, mail.doubts, mail.place) == (6, (), (), None)
    assert (mail.provenance, mail.stated) == ((), None)
    assert mail.subject == "[PATCH 1/2] one"
    assert only(data_of("From: a", "To: b", "", *DIFF)).subject == ""


def test_headers_are_read_as_mailers_write_them() -> None:
    block = [
        *("from : Ada", " Lovelace <ada@example.org>", "SUBJECT:  =?utf-8?q?caf=C3=A9?=  a"),
        *("Subject: another", "In-Reply-To: <0@example.org>", "References: <0@a>", "\t<1@a>"),
        *("X-Memnotify-Source: a.mbox", "X-Memnotify-Repair: decoded", "Received: x"),
    ]
    mail = only(data_of(*block, "", *DIFF))
    assert mail.headers == {
        "From": "Ada Lovelace <ada@example.org>",
        "Subject": "café a",
        "In-Reply-To": "<0@example.org>",
        "References": "<0@a> <1@a>",
    }
    assert mail.provenance == ("X-Memnotify-Source: a.mbox", "X-Memnotify-Repair: decoded")
    assert headers_of(data_of(*block, "", "Subject: below")) == mail.headers
    assert headers_of(data_of("From: a", "", "Date: x", "", "Text.")) == {"From": "a"}
    crlf = data_of(*block, "", "").replace(b"\n", b"\r\n")
    assert headers_of(crlf) == mail.headers
    long = only(data_of("From: a", f"Subject: {'x' * 2000}", "", *DIFF))
    assert len(long.subject) == 1000


def test_a_file_that_an_import_has_written_is_left_as_it_is() -> None:
    mail = only(data_of(*head(X_Memnotify_Source="a"), "", *DIFF, "+a &lt; b =3D", *head(), ""))
    assert len(mail.levels) == 1
    assert mail.lines[4:6] == ("+new", "+a &lt; b =3D")


def test_an_mbox_has_a_mail_below_each_from_line() -> None:
    one = data_of(*head(), "", ">From here", ">>From there", *DIFF, "")
    two = data_of(*head(Subject="two"), "", *OTHER)
    line = b"From ada Tue Jan 15 10:00:29 2008\n"
    first, second = mails_of(line + one + line + two, PATH)
    assert (first.headers["Subject"], second.headers["Subject"]) == ("[PATCH 1/2] one", "two")
    assert first.lines == ("From here", ">From there", *DIFF, "", "")
    assert (first.first, second.first) == (7, 21)
    assert (first.source, second.source) == ("mails", "mails")
    assert (first.sha256, second.sha256) == (digest(line + one), digest(line + two))
    assert second.lines == (*OTHER, "")


def test_line_ends_of_the_transport_are_taken_off_unless_the_diff_has_its_own() -> None:
    data = data_of(*head(), "", *DIFF)
    crlf = data.replace(b"\n", b"\r\n")
    assert (only(crlf).lines, only(crlf).sha256) == ((*DIFF, ""), digest(crlf))
    line = b"From ada Tue Jan 15 10:00:29 2008\r\n"
    for mail in mails_of(line + crlf + line + crlf, PATH):
        assert (mail.lines, mail.sha256) == ((*DIFF, ""), digest(line + crlf))
    own = data.replace(b"old\n", b"old\r\n").replace(b"new\n", b"new\r\n")
    assert only(own).lines == (*DIFF[:3], "-old\r", "+new\r", "")


def test_what_is_no_header_shows_the_text_of_a_page() -> None:
    page = data_of("From: Ada <ada@example.org>", "no header", "Subject: [PATCH] x", "", *DIFF)
    mail = only(page)
    assert mail.headers == {"From": "Ada <ada@example.org>", "Subject": "[PATCH] x"}
    assert mail.first == 4
    raw = data_of(*head(MIME_Version="1.0"), "no header", "Subject: [PATCH] x", "", "", *DIFF)
    assert only(raw).headers == HEADERS
    # Its line is counted nevertheless.
    assert only(raw).first == 9
    between = [*head()[:2], "no header", *head(MIME_Version="1.0")[2:], "", *DIFF]
    assert only(data_of(*between)).headers == HEADERS
    blank = [*head(), "Content-Type : text/plain; name=a:b", "no header", "", *DIFF]
    assert (only(data_of(*blank)).headers, only(data_of(*blank)).lines) == (HEADERS, (*DIFF, ""))
    letters = base64.b64encode(data_of(*DIFF)).decode()
    mail = only(data_of(*head(), "Content-Transfer-Encoding : base64", "", letters))
    assert (mail.lines, mail.undone) == ((*DIFF, ""), ("base64",))


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_what_is_no_header_does_not_hide_how_a_mail_is_encoded(blank: str) -> None:
    fields = [
        *("Content-Type: text/plain;", f"{blank}charset=koi8-r"),
        *("no header", "Content-Transfer-Encoding: base64"),
    ]
    letters = base64.b64encode(data_of(*DIFF) + b"+\xc1").decode()
    mail = only(data_of(*head(), *fields, "", letters))
    assert (mail.lines, mail.undone) == ((*DIFF, "+\u0430"), ("base64",))


def test_an_archive_in_a_mail_is_refused_with_the_mail() -> None:
    packed = base64.b64encode(b"PK\x03\x04 and more").decode()
    kind = "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64"
    data = multipart(part("A message."), f"{kind}\n\n{packed}")
    inner = data.decode().replace("boundary=b", "boundary=c").replace("--b", "--c")
    for given in (data, multipart(f"Content-Type: message/rfc822\n\n{inner}")):
        with pytest.raises(InputError, match="a zip archive, not a mail") as caught:
            mails_of(given, PATH)
        assert caught.value.file == PATH


def test_an_encoding_is_undone_and_then_has_no_lines_of_the_file() -> None:
    letters = base64.b64encode(data_of("x" * 60, *DIFF)).decode()
    mail = only(data_of(*head(Content_Transfer_Encoding="base64"), "", letters))
    assert (mail.lines, mail.first, mail.undone) == (("x" * 60, *DIFF, ""), None, ("base64",))
    unstated = only(data_of(*head(), "", letters))
    assert (unstated.first, unstated.undone, unstated.doubts) == (None, ("base64",), ())
    assert unstated.stated is None
    assert unstated.lines[:6] == ("x" * 60, *DIFF)
    quoted = only(data_of(*head(), "", *DIFF, "+x =3D 1;"))
    assert (quoted.undone, quoted.doubts) == (("quoted-printable",), (UNDECODED,))
    assert quoted.first is None
    assert quoted.lines[5] == "+x = 1;"
    assert quoted.stated is not None
    assert (quoted.stated.lines, quoted.stated.undone) == ((*DIFF, "+x =3D 1;", ""), ())
    stated = head(Content_Transfer_Encoding="quoted-printable")
    again = only(data_of(*stated, "", *DIFF, "+x =3D3D 1;"))
    assert (again.lines[5], again.undone) == ("+x =3D 1;", ("quoted-printable",))
    doubtful = only(data_of(*head(), "", "x") + b"caf\xe9\n" + data_of(*DIFF))
    assert doubtful.doubts == ("no charset is stated",)
    assert doubtful.first == 6


def test_what_decoding_divides_has_no_other_reading() -> None:
    second = ["=46rom: Bo <bo@example.org>", "Subject: [PATCH 2/2] two", "", *OTHER, "+x =3D 1;"]
    one, two = mails_of(data_of(*head(), "", "Text.", *DIFF, "", *second), PATH)
    assert (one.stated, two.stated) == (None, None)
    assert two.headers["From"] == "Bo <bo@example.org>"


def multipart(*parts: str, **more: str) -> bytes:
    kind = "multipart/mixed; boundary=b"
    inner = "".join(f"--b\n{part}\n" for part in parts)
    return data_of(*head(Content_Type=kind, **more), "", inner + "--b--")


def part(*lines: str, name: str = "") -> str:
    disposition = f"Content-Disposition: attachment; filename={name}\n" if name else ""
    return f"Content-Type: text/plain\n{disposition}\n" + "\n".join(lines)


def test_a_patch_and_its_message_may_be_two_parts() -> None:
    mail = only(multipart(part("A message."), part(*DIFF, name="a.patch")))
    assert (mail.headers, mail.lines, mail.first) == (HEADERS, ("A message.", *DIFF), None)


def test_each_attached_diff_is_a_patch_named_after_its_file() -> None:
    data = multipart(
        part("A message."), part(*DIFF, name="fix-one.patch"), part(*OTHER), part("A footer.")
    )
    one, two = mails_of(data, PATH)
    assert (one.subject, two.subject) == ("fix one", "[PATCH 1/2] one")
    assert one.lines == ("A message.", *DIFF, "A footer.")
    assert two.lines == ("A message.", *OTHER, "A footer.")
    assert one.headers["From"] == HEADERS["From"]
    assert {one.sha256, two.sha256} == {digest(data)}


def test_the_better_copy_of_a_diff_is_the_one_below() -> None:
    worse = [line.replace("-old", "-  old") for line in DIFF]
    wrapped = [*DIFF[:4], "+ne", "w"]
    for copy in (worse, wrapped):
        mail = only(multipart(part("A message.", *copy), part(*DIFF, name="a.patch")))
        assert mail.lines == tuple(DIFF)
    # A text without a diff is no copy of another.
    mail = only(multipart(part("A line."), part(*DIFF), part("A line.")))
    assert mail.lines == ("A line.", *DIFF, "A line.")


def test_an_attached_patch_has_its_own_headers() -> None:
    own = ["From: Bo <bo@example.org>", "Subject: [PATCH] own", "", *DIFF]
    mail = only(multipart(part("See below."), part(*own, name="a.patch")))
    assert mail.headers == {
        **HEADERS,
        "From": "Bo <bo@example.org>",
        "Subject": "[PATCH 1/2] one",  # its n/m is only here
    }
    assert (mail.lines, mail.first, mail.place) == (tuple(DIFF), None, None)
    assert mail.source == "mails"
    mail = only(multipart(part("See below."), part("", *own, name="a.patch")))
    assert mail.headers["From"] == "Bo <bo@example.org>"
    dated = ["From: Bo <bo@example.org>", "Date: now", "", *DIFF]
    mail = only(multipart(part("See below."), part(*dated)))
    assert (mail.subject, mail.headers["Date"]) == ("[PATCH 1/2] one", "now")
    numbered = [line.replace("[PATCH]", "[PATCH 2/2]") for line in own]
    mail = only(multipart(part("See below."), part(*numbered, name="a.patch")))
    assert mail.subject == "[PATCH 2/2] own"
    mail = only(multipart(part("See below."), part(*own, name="a.patch"), Subject="series"))
    assert mail.subject == "[PATCH] own"
    one, two = mails_of(multipart(part("x"), part(*own), part(*numbered)), PATH)
    assert (one.subject, two.subject) == ("[PATCH] own", "[PATCH 2/2] own")
    assert "Date" not in one.headers
    assert {one.sha256, two.sha256} == {digest(multipart(part("x"), part(*own), part(*numbered)))}


def test_an_attached_patch_may_be_an_mbox_and_doubtful() -> None:
    own = ["From: Bo <bo@example.org>", "Subject: [PATCH] own", "", *DIFF]
    line = "From bo Tue Jan 15 10:00:29 2008"
    mail = only(multipart(part("See below."), part(line, *own)))
    assert mail.headers["From"] == "Bo <bo@example.org>"
    assert [line for line in mail.lines if line] == DIFF
    encoded = "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n"
    lines = "\n".join([*own, "+caf=E9"])
    mail = only(multipart(part("See below."), encoded + lines))
    assert (mail.undone, mail.doubts) == (("quoted-printable",), ("no charset is stated",))
    untitled = multipart(part("See below."), part(*own)).replace(b"Subject: [PATCH 1/2] one\n", b"")
    assert only(untitled).subject == "[PATCH] own"


def test_a_mail_that_is_attached_is_one_of_its_own() -> None:
    inner = "\n".join(["From: Bo <bo@example.org>", "Subject: inner", "", *DIFF])
    data = multipart(part("A cover."), f"Content-Type: message/rfc822\n\n{inner}")
    mail = only(data)
    assert mail.headers == {"From": "Bo <bo@example.org>", "Subject": "inner"}
    assert (mail.lines, mail.first, mail.sha256) == (tuple(DIFF), None, digest(data))
    folded = data.replace(b"From: Bo", "From: Bö\n  von".encode())
    assert only(folded).headers["From"] == "Bö von <bo@example.org>"
    latin = data.replace(b"From: Bo", "From: Bö".encode("latin-1"))
    assert only(latin).headers["From"] == "Bö <bo@example.org>"
    deep = "Content-Type: message/rfc822\n\n" * 3000 + "From: a\nSubject: b\n\nx"
    with pytest.raises(InputError, match=r"^mails: mails are nested too deeply$"):
        mails_of(data_of(*head(), deep), PATH)


LOG = [
    *(f"commit {'1' * 40}", "Author: Bo <bo@example.org>"),
    "Date:   Tue Jan 15 10:00:29 2008 +0900",
    *("", "    second", "", "    Its message.", "", *OTHER, ""),
    *(f"commit {'2' * 40}", "Author: Ada <ada@example.org>", "Date:   Mon Jan 14 2008 +0900"),
    *("", "    first", "", *DIFF),
]


def test_the_output_of_git_log_has_its_commits_in_order() -> None:
    first, second = mails_of(data_of(*LOG), PATH)
    assert (first.subject, second.subject) == ("first", "second")
    assert (first.place, second.place) == (("mails", 0), ("mails", 1))
    assert second.headers["From"] == "Bo <bo@example.org>"
    assert second.lines == ("Its message.", "", "", *OTHER, "")
    assert (first.first, second.first) == (None, None)
    alone = only(data_of(*LOG[:13]))
    assert (alone.subject, alone.place) == ("second", None)
    assert only(data_of(*head(), "", *LOG[:13])).place is None
    inside = mails_of(data_of(*head(), "", *LOG), PATH)
    assert [mail.place for mail in inside] == [("mails", 0), ("mails", 1)]
    assert [mail.subject for mail in inside] == ["first", "second"]
    assert [mail.lines for mail in inside] == [first.lines, second.lines]


def test_a_second_block_of_headers_begins_another_patch() -> None:
    second = ["From: Bo <bo@example.org>", "Subject: [PATCH 2/2] two", ""]
    one, two = mails_of(data_of(*head(), "", "Text.", *DIFF, "", *second, *OTHER), PATH)
    assert (one.headers, one.lines) == (HEADERS, ("Text.", *DIFF, ""))
    assert two.headers == {"From": "Bo <bo@example.org>", "Subject": "[PATCH 2/2] two"}
    assert (one.first, two.first, one.place, two.place) == (6, 15, None, None)
    assert [line for line in two.lines if line] == OTHER
    _, more = mails_of(
        data_of(*head(), "", *DIFF, "", *second[:2], "X-Mailer: x", "", *OTHER), PATH
    )
    assert more.lines == ("", *OTHER, "")
    above = [*head(Subject="Fwd: 1/2"), "", "FYI", ""]
    cover, forwarded = mails_of(data_of(*above, *second, *OTHER), PATH)
    assert cover.lines == ("FYI", "")
    assert forwarded.headers == {
        **HEADERS,
        "From": "Bo <bo@example.org>",
        "Subject": "[PATCH 2/2] two",
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\0b\n", "a binary file, not a mail"),
        (b"PK\x03\x04 and more", "a zip archive, not a mail"),
        (b"x" * 4001, "a line of 4001 bytes, longer than in any mail"),
        (b"From ada 10:00:00 2008\n" * 2001, "more than 2,000 mails"),
    ],
)
def test_what_is_no_mail_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        mails_of(data, PATH)
    assert caught.value.file == PATH


def test_files_and_folders(tmp_path: Path) -> None:
    data = data_of(*head(), "", *DIFF)
    file = tmp_path / "a"
    file.write_bytes(data)
    assert [mail.source for mail in read_mails(file)] == [str(file)]
    assert [mail.source for mail in read_mails(file, named="stdin")] == ["stdin"]
    (tmp_path / "b").write_bytes(data)
    assert [mail.source for mail in read_mails(tmp_path)] == [str(file), str(tmp_path / "b")]
    (tmp_path / "series").write_text("b\n")
    listed = read_mails(tmp_path)
    assert [(Path(mail.source).name, mail.place) for mail in listed] == [
        ("b", (str(tmp_path), 0)),
        ("a", (str(tmp_path), -1)),
    ]
    assert [Path(mail.source).name for mail in read_mails(tmp_path / "series")] == ["b"]
    assert placed(listed, None) == listed
    assert [mail.place for mail in placed(listed, ("x", 7))] == [("x", 7)] * 2
    with pytest.raises(InputError, match="cannot be read: No such file") as caught:
        read_mails(tmp_path / "none")
    assert caught.value.file == tmp_path / "none"
    file.write_bytes(b"x" * (16 << 20))
    with pytest.raises(InputError, match="a line of 16777216 bytes"):
        read_mails(file)
    file.write_bytes(b"x\n" * (8 << 20) + b"x")
    large = r"^stdin: too large for mails: more than 16 MiB$"
    with pytest.raises(InputError, match=large) as caught:
        read_mails(file, named="stdin")
    assert str(caught.value.file) == "stdin"
