"""The tokens of a line, and what every archive preserves of them."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.tokens import (
    code_of,
    in_comment,
    in_string,
    is_c,
    is_makefile,
    key,
    masked,
    plain,
    tokens,
)


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


def test_a_line_that_has_no_blank_is_found_again_if_it_is_masked() -> None:
    assert key("a@b.org?") == key("a@xxxx?")
    assert key("[email protected]") == key("ada@example.org")
    assert key("lamps <ada at example.org>") == key("lamps  <ada  at  example.org>")
    assert key("ada\u200b@example.org \u00a0x") == key("ada@example.org x")
    assert key("a\u00a0b") == key("a b") == "ab"
    # It is masked only as a whole.
    assert key("ada at home") == "adaathome"


def test_the_addresses_that_are_masked() -> None:
    shown = "a@xxxx, b@c.org, d () e ! org, <f at g.org>, [email protected]"
    assert masked(shown) == ["a@xxxx", "d () e ! org", "f at g.org", "[email protected]"]


def test_odd_blanks_and_marks_are_replaced() -> None:
    odd = "a\u00a0b\u200bc\u3000é"
    assert plain(odd) == "a bc é"
    assert plain(odd, "\u00a0") == "a b\u200bc\u3000é"
    assert plain(odd, "") == odd


def test_words_of_what_is_not_c() -> None:
    assert tokens(["  a  b\tc", "", "d/*e"], c=False) == ["a", "b", "c", "d/*e"]
    assert tokens(["a\u00a0b"], c=False) == ["a\u00a0b"]


def test_lines_of_c_are_read_together() -> None:
    assert tokens(["a /* b", "c */ d", "// e", "f"], c=True) == [
        *("a", "/*", "b", "c", "*/", "d"),
        *("//", "e", "f"),
    ]


def test_code_without_its_comments_and_strings() -> None:
    assert code_of("x(\"a(\", 'b', y); /* ( */ z // (") == "x( ,  , y);   z  "
    assert code_of("it's") == "it's"
    assert code_of("X = MAX;") == "X = MAX;"


def test_the_kind_of_a_file_is_in_its_name() -> None:
    for name in ("mm/a.c", "a.h", "a/b.S", "p.y", "l.l"):
        assert is_c(name)
    for name in ("a.cc", "c", "a.s", "a.c/Makefile", "a.h.in"):
        assert not is_c(name)
    for name in ("Makefile", "mm/Makefile", "Kbuild", "tools/x.mk"):
        assert is_makefile(name)
    for name in ("Makefile.lib", "Makefile/a", "mk", "Kconfig"):
        assert not is_makefile(name)


def test_where_a_piece_of_c_ends() -> None:
    assert in_string('printk("a %d')
    assert in_string('printk("a", u8"b\\"')
    assert all(in_string(f'{prefix}"a') for prefix in "uUL")
    assert not in_string('printk("a \\" b");')
    assert not in_string('printk("a"')
    assert not in_string("")
    assert in_comment("x; /* a", False)
    assert in_comment(" * b", True)
    assert not in_comment(" */ x; /* c */", True)
    assert in_comment(" */ x; /* c", True)
    assert not in_comment("*/", True)
    assert in_comment('*/ f("*/"); /* b', True)
    assert not in_comment('"/*"', False)
    assert not in_comment("x; // a", False)
    assert not in_comment("x;", False)
    assert in_comment("/* a */ x; /* b", False)
