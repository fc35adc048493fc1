"""The tokens of a line, and what every archive preserves of them."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.tokens import in_comment, in_string, key, masked, plain, tokens


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a>>=b->c", ["a", ">>=", "b", "->", "c"]),
        ("printk(\"a  b\\\"c\", '\\'');", ["printk", "(", '"a  b\\"c"', ",", "'\\''", ")", ";"]),
        (
            "x = 0x1fUL+.5e-3; /* two words */",
            [*"x=", "0x1fUL", "+", ".5e-3", ";", "/*", "two", "words", "*/"],
        ),
        ('seq = "cut off', ["seq", "=", '"cut off']),
    ],
)
def test_tokens_of_c(line: str, found: list[str]) -> None:
    assert tokens([line], c=True) == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a  +\tb ;", "a+b;", True),
        ("a + +b", "a ++b", False),
        ('"a b"', '"a  b"', False),
        ("/* a  b */", "/* a b */", True),
        ("unsigned int", "unsignedint", False),
    ],
)
def test_white_space_counts_where_it_parts_tokens(one: str, other: str, same: bool) -> None:
    assert (tokens([one], c=True) == tokens([other], c=True)) is same


@pytest.mark.parametrize(
    "shown",
    [
        " * Ada <ada@xxxxxxxxxxx>",
        "* Ada <ada@...mple.org>",
        "*\u00a0Ada <ada () example ! org>",
        "* Ada <ada at example.org>",
        "* Ada <ada <at> example.org>",
    ],
)
def test_a_line_is_found_again_however_it_is_masked(shown: str) -> None:
    assert key(shown) == key(" *\tAda <ada@example.org>")
    assert masked(plain(shown))
    assert not masked(" * Ada <ada@example.org>, look at this")


def test_keys_differ_in_what_is_said() -> None:
    lines = ["ada@example.org", "a ? b : c", "return -EIO;", "return EIO;", "é", "a b", ""]
    assert len({key(line) for line in lines}) == len(lines)
    assert key("caf\u00e9") == key("caf\ufffd") == key("caf??")


def test_where_a_piece_of_c_ends() -> None:
    assert in_string('printk("a %d')
    assert not in_string('printk("a \\" b");')
    assert in_comment("x; /* a", False)
    assert in_comment(" * b", True)
    assert not in_comment(" */ x; /* c */", True)
    assert not in_comment('"/*"', False)
