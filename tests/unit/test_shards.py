"""Which part of a campaign a machine runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import cell_name, plan_cells
from memnotify.errors import InputError
from memnotify.places import CAMPAIGNS
from memnotify.run.shards import Shard, read_durations

CELLS = plan_cells(load_campaign(CAMPAIGNS / "demo.toml"), base="6.1")
NAMES = [cell_name(cell) for cell in CELLS]


@given(
    count=st.integers(1, 20),
    durations=st.dictionaries(st.sampled_from(NAMES), st.floats(0.1, 1000)),
)
def test_every_cell_is_in_one_part_and_the_parts_are_balanced(
    count: int, durations: dict[str, float]
) -> None:
    parts = [Shard(number, count).of(CELLS, durations) for number in range(1, count + 1)]
    assert sorted(cell_name(cell) for part in parts for cell in part) == sorted(NAMES)
    for part in parts:
        assert list(part) == sorted(part, key=CELLS.index)
    usual = sum(durations.values()) / len(durations) if durations else 1.0
    seconds = [durations.get(name, usual) for name in NAMES]
    longest = max(sum(durations.get(cell_name(c), usual) for c in part) for part in parts)
    # The part that gets the last cell had the least until then: at most the mean (Graham 1966).
    assert longest <= sum(seconds) / count + max(seconds) + 1e-6


def test_known_durations_are_evened_out() -> None:
    slow = NAMES[3]
    durations = {name: 100.0 if name == slow else 1.0 for name in NAMES}
    first, second = (Shard(number, 2).of(CELLS, durations) for number in (1, 2))
    assert [cell_name(cell) for cell in first] == [slow]
    assert len(second) == len(CELLS) - 1


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/99999"])
def test_no_part(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2/5"):
        Shard.parse(text)


def test_durations_are_what_show_prints(tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    file.write_text(json.dumps([{"name": "a", "wall_seconds": 1.5, "outcome": "ok"}]))
    assert read_durations(file) == {"a": 1.5}
    for text in ("", "{", "{}1", '{"a": 1}', "[1]", '[{"name": "a"}]', "3", "[" * 99_999):
        file.write_text(text)
        with pytest.raises(InputError, match=r"durations\.json: not what memnotify show"):
            read_durations(file)
    with pytest.raises(InputError, match="none: cannot be read"):
        read_durations(tmp_path / "none")
