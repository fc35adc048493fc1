"""The plan of a campaign whose cells run when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import PlanRow, cell_name, plan_cells
from memnotify.report.board import LineBoard
from memnotify.results.folder import RunFolder
from memnotify.run.on_demand import OnDemand
from memnotify.run.services import RunOptions
from rich.console import Console

from tests.support.campaigns import TEXT, Bench, Guests

CELLS = 40


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.file.write_text(TEXT.replace("clients = [1, 3]", f"clients = 3\nrepeat = {CELLS // 2}"))
    return made


def session(bench: Bench) -> OnDemand:
    campaign = load_campaign(bench.file)
    cells = plan_cells(campaign)
    return OnDemand(
        campaign,
        cells,
        bench.services(LineBoard(Console(file=io.StringIO())), Guests()),
        whole=[cell_name(cell) for cell in cells],
        path=bench.path,
        options=RunOptions(cold=True),
    )


def planned(bench: Bench) -> list[str]:
    return [row.name for row in RunFolder(bench.path).plan()]


def test_the_plan_is_whole_in_the_end_and_nearly_so_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[int] = []
    begin = RunFolder.begin

    def counted(folder: RunFolder, campaign: bytes, plan: Sequence[PlanRow], **rest: Any) -> None:
        plans.append(len(plan))
        begin(folder, campaign, plan, **rest)

    monkeypatch.setattr(RunFolder, "begin", counted)
    asked = session(bench)
    with asked.lead(print):
        for count, name in enumerate(reversed(list(asked.cells)), 1):
            asked.results(name)
            asked.results(name)
            assert count / 1.25 < len(planned(bench)) <= count
    assert planned(bench) == list(asked.cells)
    assert len(plans) < CELLS // 2
    assert not (bench.path / "shard.json").exists()


def test_what_a_killed_session_was_asked_for_is_in_the_plan(bench: Bench) -> None:
    killed = session(bench)
    names = list(killed.cells)[:6]
    leading = killed.lead(print)
    leading.__enter__()
    for name in names:
        killed.results(name)
    assert len(planned(bench)) == 5
    # Nobody closes it: the disk is in the state that a SIGKILL leaves. The lock would be free then.
    copy = bench.path.with_name("copy")
    bench.path.rename(copy)
    bench.path = copy
    with session(bench).lead(print):
        pass
    assert planned(bench) == names
    assert not list(copy.glob(".session"))
    copy.with_name("try").mkdir()
    leading.__exit__(None, None, None)
