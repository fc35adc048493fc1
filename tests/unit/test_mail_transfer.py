"""Transfer encodings, stated and not."""

from __future__ import annotations

import base64
import email

import pytest
from memnotify.mailpatch.transfer import NOT_ENCODED, UNDECODED, payload_of, undecoded

DIFF = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -1,1 +1,1 @@", "-int x;", "+long x;"]
LONG = "+a line that is long enough to be taken for base64 by its length"


def part(encoding: str, body: bytes) -> email.message.Message:
    head = f"Content-Transfer-Encoding: {encoding}\n\n" if encoding else "\n"
    return email.message_from_bytes(head.encode() + body)


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("encoding", "body", "data", "undone", "doubt"),
    [
        ("", b"a =3D b\n", b"a =3D b\n", "", None),
        ("8bit", b"caf\xc3\xa9", b"caf\xc3\xa9", "", None),
        ("base64", b"Y2Fmw6k=\n", "café".encode(), "base64", None),
        (' "BASE64"; ', b"Y2Fmw6k=\n", "café".encode(), "base64", None),
        ("base64", b"Y2Fm\n\nw6nDqQ==\n", "caféé".encode(), "base64", None),
        ("base64", b"Y2Fmw6k=\n-- \nlist\n", "café\n-- \nlist\n".encode(), "base64", None),
        ("base64", b"Y2Fmw6k", "caf\u00e9".encode()[:3], "base64", None),  # the last is missing
        ("base64", b"Y2Fm \nY2Fm\r\n" + b"Y2Fm\n" * 3 + b"Y2Fmw6k", b"caf" * 6, "base64", None),
        # The last letters may be a line of their own, however short.
        ("base64", b"Y2Fm\nCg==\n", b"caf\n", "base64", None),
        ("base64", b"Y2Fm\nYSA=\n", b"cafa ", "base64", None),
        ("base64", b"Y2Fm\nCg==\n-- \nlist\n", b"caf\n\n-- \nlist\n", "base64", None),
        ("base64", b"no: letters\n", b"\nno: letters\n", "base64", None),
        ("quoted-printable", b"a =3D =\nb\n", b"a = b\n", "quoted-printable", None),
        ("Quoted-Printable", b"a=20\n", b"a \n", "quoted-printable", None),
        ("quoted-printable", b"a = b\n", b"a = b\n", "", None),
        ("quoted-printable", b"a = b =3D c\n", b"a = b = c\n", "quoted-printable", NOT_ENCODED),
        ("quoted-printable", b"a = b=\nc\n", b"a = bc\n", "quoted-printable", NOT_ENCODED),
        ("quoted-printable", b"a = b=20\n", b"a = b \n", "quoted-printable", NOT_ENCODED),
        (
            "quoted-printable",
            b"a = =C3=A9\n",
            "a = é\n".encode(),
            "quoted-printable",
            NOT_ENCODED,
        ),
    ],
)
def test_a_stated_encoding_is_undone_if_the_text_is_in_it(
    encoding: str, body: bytes, data: bytes, undone: str, doubt: str | None
) -> None:
    assert payload_of(part(encoding, body)) == (data, undone, doubt)


def test_a_part_that_has_parts_has_no_bytes_of_its_own() -> None:
    whole = email.message_from_string(
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n--x--\n"
    )
    assert payload_of(whole) == (b"", "", None)


def test_base64_that_no_header_states_is_undone_if_it_is_a_diff() -> None:
    text = "\n".join([*DIFF, LONG])
    letters = coded(text)
    lines = ["above", *(letters[at : at + 60] for at in range(0, len(letters), 60)), "below it"]
    assert undecoded(lines) == (["above", *DIFF, LONG, "below it"], "base64")
    assert undecoded([f"{line} " for line in lines[1:-1]]) == ([*DIFF, LONG], "base64")
    assert undecoded([coded(LONG * 3), "below"]) == ([coded(LONG * 3), "below"], None)


def test_two_texts_in_base64_below_each_other_are_left() -> None:
    letters = coded("\n".join([*DIFF, LONG, "+"]))
    assert letters.endswith("=")
    lines = [letters, coded("\n".join([*DIFF, LONG]))]
    assert undecoded(lines) == (lines, None)


@pytest.mark.parametrize(("count", "undone"), [(36, False), (40, True)])
def test_how_long_a_line_of_base64_is(count: int, undone: bool) -> None:
    diff = "@@ -1 +1 @@".ljust(3 * count // 4 - 2) + "\n+"
    letters = coded(diff)
    assert len(letters) == count
    assert undecoded([letters]) == ((diff.split("\n"), "base64") if undone else ([letters], None))


@pytest.mark.parametrize("end", ["Cg==", "YSA=", "YWJj"])
def test_the_last_line_of_base64_may_be_short(end: str) -> None:
    text = "\n".join([*DIFF, LONG, ""]).ljust(177)  # a whole number of letters
    letters = coded(text)
    lines = [letters[at : at + 76] for at in range(0, len(letters), 76)]
    found = "".join([text, base64.b64decode(end).decode()]).split("\n")
    assert undecoded([*lines, end]) == (found, "base64")


def test_a_short_line_alone_is_no_base64() -> None:
    assert undecoded([coded("@@ -1 +1 @@")]) == ([coded("@@ -1 +1 @@")], None)


def test_letters_that_are_no_base64_stay() -> None:
    wrong = coded("\n".join(DIFF)).rstrip("=")[:-1]
    assert undecoded([wrong]) == ([wrong], None)


@pytest.mark.parametrize(
    ("lines", "found", "encoding"),
    [
        ([*DIFF, "+x =3D 1;"], [*DIFF, "+x = 1;"], "quoted-printable"),
        ([*DIFF, "+x =", "y=3D"], [*DIFF, "+x y="], "quoted-printable"),
        (["caf=C3=A9", *DIFF, "+=20"], ["café", *DIFF, "+ "], "quoted-printable"),
        ([*DIFF, "+x = =3D 1;"], [*DIFF, "+x = =3D 1;"], None),  # an encoder leaves no = as it is
        (["+x =3D 1;"], ["+x =3D 1;"], None),
        ([*DIFF, "+x=", "y"], [*DIFF, "+x=", "y"], None),
        ([*DIFF, "+=E9"], [*DIFF, "+=E9"], None),  # no UTF-8
        ([*DIFF, "+\udce9=3D"], [*DIFF, "+\udce9=3D"], None),  # a byte of no charset
        (DIFF, DIFF, None),
    ],
)
def test_quoted_printable_that_no_header_states(
    lines: list[str], found: list[str], encoding: str | None
) -> None:
    assert undecoded(lines) == (found, encoding)


def test_a_doubt_names_the_encoding() -> None:
    assert "quoted-printable" in UNDECODED
    assert "quoted-printable" in NOT_ENCODED
