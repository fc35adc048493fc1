"""The text of bytes under the label of a charset, and what is doubtful about it."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.charset import decoded, words

UNSTATED = "no charset is stated"


def not_in(label: str) -> str:
    return f"the text is not in {label}, as the mail states"


@pytest.mark.parametrize(
    ("data", "label", "text", "doubt"),
    [
        (b"plain", None, "plain", None),
        (b"plain", "x-martian", "plain", None),
        ("é".encode(), None, "é", None),
        ("é".encode(), "us-ascii", "é", None),
        (b"\xe9", "", "é", UNSTATED),
        (b"\xe9", "unknown-8bit", "é", UNSTATED),
        (b"\x80\x81", None, "\x80\x81", UNSTATED),  # no letter of windows-1252
        (b"\x80", None, "€", UNSTATED),
        ("é".encode(), ' "UTF-8" ', "é", None),
        ("é".encode(), "'utf-8'", "é", None),
        (b"\xe9", "utf-8", "é", not_in("utf-8")),
        (b"\xe9", "ISO-8859-1", "é", None),
        (b"\x93a\x94", "iso-8859-1", "“a”", None),  # what mailers put under that label
        ("é".encode(), "iso-8859-1", "é", not_in("iso-8859-1")),
        ("é".encode(), "windows-1251", "é", not_in("windows-1251")),
        ("é".encode(), "koi8-r", "é", not_in("koi8-r")),
        ("é".encode(), "macintosh", "é", not_in("macintosh")),
        ("é".encode(), "iso-8859-15", "é", not_in("iso-8859-15")),
        ("ж".encode("koi8-u"), "koi8-u", "ж", None),
        ("é".encode("cp850"), "cp850", "é", None),
        ("é".encode(), "cp850", "é", not_in("cp850")),
        (b"\x81", "windows-1252", "\x81", not_in("windows-1252")),
        ("é".encode(), "x-martian", "é", "the charset 'x-martian' is not known"),
        (b"\xe9", "x-martian", "é", "the charset 'x-martian' is not known"),
        (b"\xe9", "m" * 50, "é", f"the charset {'m' * 40!r} is not known"),
        (b"\xe9", "rot13", "é", "the charset 'rot13' is not known"),
        (b"\xe9", "x-user-defined", "é", "the charset 'x-user-defined' is not known"),
        ("漢字".encode("gbk"), "gb2312", "漢字", None),
        ("€".encode("gb18030"), "gb2312", "€", None),  # which GBK does not have
        ("漢字".encode("big5"), "big5", "漢字", None),
        ("漢字".encode("euc-jp"), "euc-jp", "漢字", None),
        ("漢字".encode("johab"), "johab", "漢字", None),
        ("漢字".encode("iso2022_jp"), "iso-2022-jp", "漢字", None),
        ("漢字".encode("iso2022_jp"), None, "漢字", None),
        ("漢字".encode("iso2022_jp"), "us-ascii", "漢字", None),
        ("ｱ".encode("iso2022_jp_ext"), "iso-2022-jp", "ｱ", None),  # half width
        ("漢字".encode("utf-7"), "utf-7", "漢字", None),
        ("汉字".encode("hz"), "hz-gb-2312", "汉字", None),
        ("漢字".encode("utf-16"), "utf-16", "漢字", None),
        ("漢字".encode("utf-16-le"), "utf-16le", "漢字", None),
        ("漢字".encode("utf-32-le"), "utf-32le", "漢字", None),
        ("é".encode(), "ascii", "é", None),
        (b"\xe9", "X-UNKNOWN", "é", UNSTATED),
        (b"\x1b$B\xff", None, "\x1b$Bÿ", not_in("iso-2022-jp")),
        ("汉字".encode("hz"), "hz", "汉字", None),
        ("€".encode(), "euc-jp", "€", not_in("euc-jp")),
        ("é\ufffd".encode(), "utf-8", "é\ufffd", "a letter that utf-8 does not have"),
        ("é\x85".encode(), "utf-8", "é\x85", "a letter that utf-8 does not have"),
        ("\ue000".encode(), "utf-8", "\ue000", "a letter that utf-8 does not have"),
    ],
)
def test_text_is_what_its_label_says_if_its_bytes_are_that(
    data: bytes, label: str | None, text: str, doubt: str | None
) -> None:
    assert decoded(data, label) == (text, doubt)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("  [PATCH]   a\tb ", "[PATCH] a b"),
        ("=?utf-8?q?caf=C3=A9?= shut", "café shut"),
        ("=?utf-8?b?Y2Fmw6k=?=", "café"),
        ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        ("=?iso-8859-1?q?a_=93b=94?=  c", "a “b” c"),
        ("=?koi8-r?q?=C1?=", "\u0430"),
        ("a  =? b", "a =? b"),
        ("=?utf-8?b?YWJjZ?=", "=?utf-8?b?YWJjZ?="),
    ],
)
def test_encoded_words_of_a_header_are_decoded(field: str, text: str) -> None:
    assert words(field) == text


def test_stray_bytes_in_text_that_is_mostly_utf_8() -> None:
    data = "a\u00a0b\u00a0c\u00a0d W".encode() + b"\xf6lfel"
    text, doubt = decoded(data, "utf-8")
    assert text == "a\u00a0b\u00a0c\u00a0d W\u00f6lfel"
    assert doubt == "the text is not in utf-8, as the mail states"
    assert (
        decoded(b"W\xf6lfel, J\xe4ger \xc3\xb6", "utf-8")[0]
        == "W\u00f6lfel, J\u00e4ger \u00c3\u00b6"
    )


@pytest.mark.parametrize("charset", ["us-ascii", "x-unknown"])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xc3\xb6 \xfc.", "Ã¶ ü."),  # as many letters of either
        (b"\xc3\xb6\xc3\xb6 \xfc.", "öö ü."),
    ],
)
def test_bytes_of_two_charsets_are_read_as_most_of_them_are(
    charset: str, data: bytes, text: str
) -> None:
    assert decoded(data, charset)[0] == text


def test_text_that_may_be_in_utf_8_is_read_as_stated() -> None:
    text, note = decoded("für".encode(), "gbk")
    assert (text, note) == (
        "für".encode().decode("gbk"),
        "the text may be in UTF-8, and not in gbk",
    )
