"""How the lines end that a mail adds to a file, and whose CRs those of the mail are."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.changes import (
    LineEnd,
)
from memnotify.mailpatch.whitespace import Witness

from tests.support.opened import opened

CR = "\r"


@pytest.mark.parametrize(
    ("tree", "hunk", "foreign", "ends"),
    [
        # No CR in tree and mail, or in the mail only.
        ("a\nb\n", "@@ -1,2 +1,3 @@\n a\n+x\n b", False, [LineEnd("")]),
        ("a\nb\n", "@@ -1,2 +1,3 @@\n a\n+x\r\n b", False, [LineEnd(CR, sure=False)]),
        # All lines of the mail have one: the transport's.
        ("a\nb\n", "@@ -1,2 +1,3 @@\n a\r\n+x\r\n b\r", True, [LineEnd("", put_back=True)]),
        # The tree has them, and the mail has lost them, or not.
        ("a\r\nb\r\n", "@@ -1,2 +1,3 @@\n a\n+x\n b", False, [LineEnd(CR, put_back=True)]),
        ("a\r\nb\r\n", "@@ -1,2 +1,3 @@\n a\r\n+x\r\n b\r", False, [LineEnd(CR)]),
        ("a\r\nb\r\n", "@@ -1,2 +1,3 @@\n a\r\n+x\n b\r", False, [LineEnd("")]),
        # The tree has both: that of the old line before.
        (
            "a\r\nb\n",
            "@@ -1,2 +1,4 @@\n a\n+x\n b\n+y",
            False,
            [LineEnd(CR, put_back=True, sure=False), LineEnd("", put_back=True, sure=False)],
        ),
        # At the beginning, that of the line after.
        ("a\r\nb\r\n", "@@ -1 +1,2 @@\n+x\n a", False, [LineEnd(CR, put_back=True)]),
        ("a\r\nb\n", "@@ -1 +1,2 @@\n+x\n a", False, [LineEnd(CR, put_back=True, sure=False)]),
        (
            "a\nb\r\n",
            "@@ -1 +1,2 @@\n+x\n a",
            False,
            [LineEnd("", put_back=True, sure=False)],
        ),
        # The hunk has no old line with an end: that of the line above it.
        ("a\r\nb", "@@ -2 +2,2 @@\n b\n+x", False, [LineEnd(CR, put_back=True)]),
        (
            "a\nb\r\nc\n",
            "@@ -2,0 +3 @@\n+x",
            False,
            [LineEnd(CR, put_back=True, sure=False)],
        ),
        # A CR is nothing new in a file that has one, and nothing is lost where there are none.
        ("a\r\nb\n", "@@ -1,2 +1,3 @@\n a\r\n+x\r\n b", False, [LineEnd(CR)]),
        ("a\nb\n", "@@ -1,2 +1,3 @@\n a\r\n+x\n b\r", True, [LineEnd("")]),
        # The same line again: that its CR is lost may be the change.
        (
            "a\r\nb\r\n",
            "@@ -1,2 +1,2 @@\n-a\n+a\n b",
            False,
            [LineEnd("", put_back=True, sure=False)],
        ),
        (
            "a\r\nb\r\n",
            "@@ -1,2 +1,2 @@\n-a\n b\n+a",
            False,
            [LineEnd(CR, put_back=True)],
        ),
        (
            "a\r\nb\r\n",
            "@@ -1,2 +1,2 @@\n-a\n-b\n+a\n+b",
            False,
            [LineEnd("", put_back=True, sure=False)] * 2,
        ),
        (
            "a\r\nb\r\n",
            "@@ -1,2 +1,3 @@\n a\n+ a\n b",
            False,
            [LineEnd(CR, put_back=True)],
        ),
        # A last line without an end shows nothing.
        ("a\r\nb", "@@ -1,2 +1,3 @@\n a\n+x\n b", False, [LineEnd(CR, put_back=True)]),
        ("a\nb\r", "@@ -1,2 +1,3 @@\n a\n+x\n b", False, [LineEnd("")]),
        ("a\r", "@@ -0,0 +1,1 @@\n+x", False, [LineEnd("")]),
    ],
)
def test_the_ends_of_added_lines(tree: str, hunk: str, foreign: bool, ends: list[LineEnd]) -> None:
    file = opened(tree, hunk)
    assert file.has_foreign_ends() == foreign
    assert file.line_ends(foreign=foreign) == ends


def test_a_line_with_a_cr_is_foreign_only_where_the_tree_has_none() -> None:
    for tree, hunk, foreign in (
        ("a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\r\n+c", True),
        ("a\r\nb\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c", False),
        ("a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\r", False),
        ("a\nb", "@@ -1,2 +1,2 @@\n a\n-b\r\n+c", False),  # its last line has no end
    ):
        assert opened(tree, hunk).has_foreign_ends() == foreign


def test_what_the_tree_has_as_well_bears_witness() -> None:
    file = opened("\ta\r\nb\nc\n", "@@ -1,3 +1,3 @@\n \ta\n-b \r\n+x\n c")
    assert file.witnesses() == [
        Witness("\ta", " \ta", False),
        Witness("b", "-b ", True),
        Witness("c", " c", False),
    ]
