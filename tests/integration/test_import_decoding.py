"""Encodings of mails: undone wherever they are, and said to be doubtful where they are."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import quopri
from pathlib import Path

import pytest
from memnotify.mailpatch.charset import decoded, words
from memnotify.mailpatch.mail import mails_of, read_mails

HEAD = ["From: Ada <ada@example.org>", "Date: now", "Subject: [PATCH] lamps"]
BODY = [
    *("Text.", "---", "--- a/mm/a.c", "+++ b/mm/a.c", "@@ -1,2 +1,3 @@", " one"),
    *("+#define LAMP(a, b) ((a) == (b)) /* \u00e9\u4e00 */", " two", ""),
]
TEXT = "\n".join(BODY)


def encoded(encoding: str, text: str = TEXT, charset: str = "utf-8") -> str:
    data = text.encode(charset)
    undo = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}
    return undo[encoding](data).decode("ascii") if encoding in undo else text


def raw(encoding: str, *more: str, text: str = TEXT) -> str:
    fields = [*HEAD, *more, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"]
    fields.append(f"Content-Transfer-Encoding: {encoding}")
    return "\n".join([*fields, "", encoded(encoding, text)])


def read(data: str | bytes, name: str = "m") -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of the only mail with a diff, and what is doubtful about them."""
    mails = mails_of(data.encode() if isinstance(data, str) else data, Path(name))
    (mail,) = [mail for mail in mails if any("@@" in line for line in mail.lines)]
    lines = list(mail.lines)
    return lines[lines.index("Text.") :], mail.doubts


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize(
    "odd", ["X-Spam_score: -4.5", "X.Dots: 1", "1stField: x", "X_$odd!: y", "no field at all"]
)
def test_an_odd_header_does_not_switch_decoding_off(encoding: str, odd: str) -> None:
    assert read(raw(encoding, odd)) == (BODY, ())


FROM_LINES = [
    *("From ada@example.org Mon Feb 12 8:54:21 2018", "From ada@example.org Mon Feb 12 18:54 2018"),
    *("From ada@example.org  Mon, 12 Feb 2018 18:54:21 +0100", "From MAILER-DAEMON 2018-02-12"),
    *("From - Mon Feb 12 18:54:21 2018", "From ada at example.org"),
    "From ada@example.org Mon Feb 12 18:54:21 CET 2018",
]


@pytest.mark.parametrize("top", ["", "\n", "\n\n", *(f"{line}\n" for line in FROM_LINES), "{}\n"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_what_is_above_the_headers_does_not_switch_decoding_off(top: str, encoding: str) -> None:
    mail = raw(encoding)
    emlx = top.format(len(mail.encode())) + mail
    lines, doubts = read(emlx + ("<?xml version='1.0'?>\n<plist/>\n" if "{" in top else ""))
    assert [line for line in lines if line] == BODY[:-1]
    assert doubts == ()


def test_an_mbox_may_have_from_lines_of_several_forms() -> None:
    mails = "".join(f"{line}\n{raw('base64')}\n\n" for line in FROM_LINES)
    found = mails_of(mails.encode(), Path("m"))
    assert [mail.lines[0] for mail in found] == ["Text."] * len(FROM_LINES)


def test_encodings_are_recognised_where_no_header_states_them() -> None:
    for kind in ("base64", "quoted-printable"):
        text = "\n".join([*HEAD, "", encoded(kind)])
        lines, doubts = read(text)
        assert [line for line in lines if line] == BODY[:-1]
        assert bool(doubts) == (kind == "quoted-printable")


@pytest.mark.parametrize(
    "line", ["+/* ?id=2944 */", "+/* ?id=20", "+a = b;", "+a =3D b; c == d", "+=3D"]
)
def test_a_sign_that_no_encoder_leaves_shows_that_nothing_is_encoded(line: str) -> None:
    body = [*BODY[:6], *(["+x == y"] if "?id" not in line else []), line, " two", ""]
    text = "\n".join([*HEAD, "", *body])
    assert read(text) == (body, ())


def test_a_text_that_is_not_what_its_header_states_is_left_alone() -> None:
    text = raw("8bit").replace("Encoding: 8bit", "Encoding: quoted-printable")
    assert read(text) == (BODY, ())


@pytest.mark.parametrize("left", [1, 2, 3])
def test_the_last_line_of_base64_may_be_short(left: int) -> None:
    """A line has 57 bytes, and few may be left for the last."""
    body = [*BODY[:-1], "+" + "x" * ((left - 4 - len(TEXT.encode())) % 57), "}", ""]
    text = "\n".join(body)
    assert len(text.encode()) % 57 == left
    assert read(raw("base64", text=text)) == (body, ())


def test_a_list_may_add_plain_text_below_base64() -> None:
    lines, _ = read(raw("base64") + "____________\nlamps mailing list\n")
    assert lines[: len(BODY) - 1] == BODY[:-1]
    assert lines[-2] == "lamps mailing list"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("gb2312", "gbk", "\u9555\u88e1"),
        ("gb2312", "gb2312", "\u4e00"),
        ("iso-8859-1", "cp1252", "\u201clamp\u201d"),
        ("ks_c_5601-1987", "cp949", "\ub6a0"),
        ("shift_jis", "cp932", "\u2460\u9ad9"),
        ("big5", "big5hkscs", "\u4e00"),
        ("iso-2022-jp", "iso2022_jp", "\u4e00\u8a9e"),
        ("us-ascii", "iso2022_jp", "\u4e00\u8a9e"),
        ("", "utf-8", "\u00e9"),
        ("us-ascii", "utf-8", "\u00e9"),
        ("x-unknown", "utf-8", "\u00e9"),
        ("UTF-7", "utf-7", "\u00e9"),
        ('"koi8-r"', "koi8-r", "\u043b\u0430\u043c\u043f\u0430"),
    ],
)
def test_labels_mean_what_mailers_put_under_them(label: str, codec: str, text: str) -> None:
    assert decoded(text.encode(codec), label) == (text, None)


@pytest.mark.parametrize(
    ("label", "data"),
    [
        ("iso-8859-1", "\u00e9\u4e00".encode()),
        ("utf-8", b"caf\xe9"),
        ("gb2312", b"\xff\xff"),
        ("", b"caf\xe9"),
        ("nonsense", "\u00e9".encode()),
        ("unicode_escape", b"\xc3\xa9\\n"),
        ("utf-8", "\ufffd".encode()),
    ],
)
def test_what_is_not_in_the_charset_of_its_label_is_doubtful(label: str, data: bytes) -> None:
    text, doubt = decoded(data, label)
    assert doubt
    assert "\\n" in text or b"\\n" not in data
    if label != "utf-8" and data.startswith(b"\xc3"):
        assert text == data.decode()


def test_encoded_words_have_the_same_labels() -> None:
    word = base64.b64encode("\u9555".encode("gbk")).decode()
    assert words(f"=?gb2312?B?{word}?= <ada@example.org>") == "\u9555 <ada@example.org>"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read(tmp_path: Path, pack: object) -> None:
    file = tmp_path / "m.gz"
    assert callable(pack)
    file.write_bytes(pack(raw("8bit").encode()))
    assert list(read_mails(file)[0].lines) == BODY


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read(codec: str) -> None:
    text = "\r\n".join([*HEAD, "", *BODY])
    assert read(text.encode(codec)) == (BODY, ())


def test_an_attachment_in_utf_16_is_read() -> None:
    data = base64.encodebytes(TEXT.encode("utf-16")).decode()
    part = "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n" + data
    kind = 'Content-Type: multipart/mixed; boundary="b"'
    text = "\n".join([*HEAD, "MIME-Version: 1.0", kind, "", "--b", part, "--b--"])
    assert read(text) == (BODY, ())


def test_colors_of_a_terminal_are_taken_out() -> None:
    lines = [f"\x1b[32m{line}\x1b[m" if line[:1] in ("+", "@") else line for line in BODY]
    assert read("\n".join([*HEAD, "", *lines])) == (BODY, ())
    own = [*BODY[:6], "+\x1b[31mred", *BODY[7:]]
    assert read("\n".join([*HEAD, "", *own])) == (own, ())
