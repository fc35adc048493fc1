"""The revisions that stand on another: a folder is the whole series, and the copies are copies."""

from __future__ import annotations

import pytest

from orchestrator.series.quilt import load_series, revisions

# Each revision and the one that it adds a patch to.
ON_TOP_OF = {
    "v2-wakeup": "v2",
    "v3-wake-all": "v3",
    "v3-throttled": "v3-wake-all",
    "v3-faster": "v3-throttled",
    "v6-ageing": "v6",
}
CASES = [(new, old, base) for new, old in ON_TOP_OF.items() for base in revisions()[new]]


def test_every_base_of_such_a_revision_has_the_one_below() -> None:
    known = revisions()
    assert [new for new, old in ON_TOP_OF.items() if not set(known[new]) <= set(known[old])] == []
    assert known["v3-faster"] == known["v3"], "v3 + 3 is for every base of v3"


@pytest.mark.parametrize(("new", "old", "base"), CASES)
def test_it_is_the_one_below_and_one_patch_more(new: str, old: str, base: str) -> None:
    below, above = load_series(old, base).patches, load_series(new, base).patches
    assert len(above) == len(below) + 1
    assert [(p.name, p.fuzz) for p in above[:-1]] == [(p.name, p.fuzz) for p in below]
    changed = [a.name for a, b in zip(above, below, strict=False) if a.sha256 != b.sha256]
    assert changed == []
    assert above[-1].fuzz == 0
