"""Questions to a cell's results."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.campaign.question import NUMBERS, WORDS, parse_question
from orchestrator.campaign.verdict import Job, make_verdict
from orchestrator.errors import InputError
from orchestrator.guest.machine import load_machine
from orchestrator.model import Arch, Cell, CellResult, KernelRequest, Outcome, Scenario
from orchestrator.store import Artifact

VERDICT = {"outcome": "finding:panic", "wakeups": 64, "first_wakeup_ms": None, "guest_seconds": 1.5}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("wakeups>0", True),
        ("wakeups > 64", False),
        ("wakeups>=64", True),
        ("wakeups<64", False),
        ("wakeups<=64", True),
        ("wakeups=64", True),
        (" wakeups == 64.0 ", True),
        ("wakeups!=64", False),
        ("guest_seconds<1.6", True),
        ("outcome=finding:panic", True),
        ("outcome!=ok", True),
        ("outcome==ok", False),
        ("first_wakeup_ms<1e9", False),
        ("first_wakeup_ms!=0", False),  # there is none
    ],
)
def test_answers(text: str, answer: bool) -> None:
    assert parse_question(text).holds(VERDICT) is answer


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no question"),
        ("wakeups", "no question"),
        ("wakeups>0 or 1", "no question"),
        ("wakeups=>0", "no number"),
        ("__import__('os')>0", "no question"),
        ("wakeup>0", "no figure wakeup"),
        ("batches>0", "no figure batches"),
        ("wakeups>many", "many is no number"),
        ("wakeups>nan", "nan is no number"),
        ("outcome>ok", "is a word"),
    ],
)
def test_refusals(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        parse_question(text)


def test_what_can_be_asked_is_in_every_verdict(tmp_path: Path) -> None:
    scenario = Scenario(name="s", start_ns=0, duration_ns=1, sample_ns=1, steps=())
    request = KernelRequest(base="6.1", series="v4", arch=Arch.X86_64)
    cell = Cell(
        request=request, machine=load_machine("pc"), memory_mib=64, clients=1, scenario=scenario
    )
    nothing = Artifact(kind="kernel", key="k", path=tmp_path, inputs={}, facts={})
    job = Job(id="i", name="n", cell=cell, kernel=nothing, image=nothing)
    result = CellResult(outcome=Outcome(), guest_ns=0, wall_seconds=1, records=0, lost_records=0)
    verdict = make_verdict(job, result, tmp_path / "none.parquet")
    assert {*WORDS, *NUMBERS} <= set(verdict)
