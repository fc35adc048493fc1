"""How the repairs of a mail are told."""

from __future__ import annotations

import pytest
from memnotify.mailpatch.repairs import Repair, RepairKind, summary


def repair(
    kind: RepairKind, file: str = "mm/a.c", *, detail: str = "", sure: bool = True
) -> Repair:
    return Repair(kind=kind, file=file, detail=detail, sure=sure)


def test_a_summary_has_a_line_for_each_kind_and_how_sure_it_is() -> None:
    tree = RepairKind.TREE
    found = [
        *(repair(tree), repair(tree), repair(tree, "mm/b.c")),
        *(repair(tree, sure=False), repair(RepairKind.QUOTED, "")),
    ]
    assert summary(found) == [
        "3 × lines taken byte for byte from the tree: mm/a.c 2, mm/b.c",
        "lines taken byte for byte from the tree: mm/a.c [likely]",
        "quoting or indentation taken off",
    ]
    assert summary([]) == []
    assert summary(found[:2]) == ["2 × lines taken byte for byte from the tree: mm/a.c 2"]


def test_a_summary_shows_up_to_three_details() -> None:
    moved = [repair(RepairKind.MOVED, detail=f"+{n} lines") for n in (1, 1, 2, 3)]
    assert summary(moved) == [
        "4 × hunk found at another line (+1 lines; +2 lines; +3 lines): mm/a.c 4"
    ]
    moved.append(repair(RepairKind.MOVED, detail="+4 lines"))
    assert summary(moved) == ["5 × hunk found at another line: mm/a.c 5"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (repair(RepairKind.TREE), repair(RepairKind.TREE)),
        (
            repair(RepairKind.LAYOUT, sure=False),
            repair(RepairKind.LAYOUT, detail="confirmed by the index line"),
        ),
        (
            repair(RepairKind.FUZZ, detail="int x;", sure=False),
            repair(RepairKind.FUZZ, detail="int x;, confirmed by the index line"),
        ),
        (
            repair(RepairKind.STRING),
            repair(RepairKind.STRING, detail="confirmed by the index line"),
        ),
    ],
)
def test_what_the_index_line_confirms_is_sure(before: Repair, after: Repair) -> None:
    assert before.confirmed() == after


def test_what_is_only_said_does_not_change_the_patch() -> None:
    assert {kind for kind in RepairKind if not repair(kind).changes} == {
        RepairKind.DISPUTED,
        RepairKind.OTHER,
        RepairKind.EDGE,
        RepairKind.ANSWER,
        RepairKind.LEFT,
        RepairKind.UNSURE,
        RepairKind.MASKED,
    }
