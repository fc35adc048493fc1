"""The self-check: the outcome that its records give, and how a campaign may use it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InputError
from memnotify.guest.console import Console
from memnotify.guest.outcome import judge
from memnotify.guest.rendezvous import End
from memnotify.model import Finding, Outcome
from memnotify.places import HOME
from memnotify.records import layout
from memnotify.records.layout import CheckResult, Kind
from memnotify.records.log import RecordLog
from memnotify.records.self_check import count_checks, describe_check
from memnotify.results.manifest import Manifest
from memnotify.results.timeline import timeline
from memnotify.scenario import Op, SelfCheck

SWAP = {"name": b"swap", "number": 1, "count": 3}


def check(**values: Any) -> np.ndarray:
    row = np.zeros(1, layout.CHECK)
    usual = {"name": b"mmap", "count": 3, "result": CheckResult.PASSED}
    for name, value in (usual | values).items():
        row[name] = value
    return row


def log(*checks: np.ndarray, op: Op = Op.SELF_CHECK) -> RecordLog:
    """Return a step with that operation, and the records of its tests."""
    records = np.zeros(1 + len(checks), layout.RECORD)
    records["kind"] = [Kind.STEP, *[Kind.SELF_CHECK] * len(checks)]
    records["value"][0, :2] = 0, op
    for record, row in zip(records[1:], checks, strict=True):
        record["value"] = row.view("<u8")
    return RecordLog(records, lost=0, torn=0)


def verdict(records: RecordLog) -> Outcome:
    return judge(End(), log=records, console=Console(io.BytesIO()), disagreements=())


def test_tests_that_pass_or_cannot_be_made_are_no_finding() -> None:
    skipped = check(number=2, result=CheckResult.SKIPPED, error=19)
    assert verdict(log(check(), check(**SWAP), skipped)).ok
    assert verdict(log(op=Op.HOG)).ok


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"line": 42, "error": 14}, "swap FAILED: Bad address (line 42)"),
        ({"line": 42}, "swap FAILED: a wrong result (line 42)"),
        ({"signal": 11}, "swap FAILED: killed by signal 11"),
        ({"signal": 9, "error": 110}, "swap FAILED: did not finish"),
    ],
)
def test_a_failed_test_is_a_finding_that_names_it(values: dict[str, int], words: str) -> None:
    failed = check(**SWAP, result=CheckResult.FAILED, **values)
    outcome = verdict(log(check(), failed, check(number=2)))
    assert (outcome.finding, outcome.detail) == (Finding.SELF_CHECK, words)


def test_tests_that_did_not_come_to_an_end_are_a_finding() -> None:
    assert verdict(log(check(), check(**SWAP))).detail == "2 of 3 tests finished"
    assert verdict(log(check(), check(), check())).detail == "1 of 3 tests finished"
    assert verdict(log()).detail == "0 of its tests finished"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "mmap passed"),
        ({"result": CheckResult.SKIPPED, "error": 19}, "mmap skipped: No such device"),
        ({"name": b"\xff"}, "\ufffd passed"),
        # What a guest scribbled is no errno.
        (
            {"result": CheckResult.FAILED, "error": 2**32 - 1, "line": 5},
            "mmap FAILED: Unknown error 4095 (line 5)",
        ),
    ],
)
def test_what_a_record_says_of_its_test(values: dict[str, Any], words: str) -> None:
    assert describe_check(check(**values)[0]) == words


def test_tests_are_counted_by_how_they_came_out() -> None:
    results = [CheckResult.PASSED, CheckResult.FAILED, CheckResult.PASSED]
    counts = count_checks(log(*(check(result=result) for result in results)))
    assert counts == {"passed": 2, "failed": 1, "skipped": 0}
    assert count_checks(log()) is None


def test_many_failures_are_counted() -> None:
    failures = [check(number=n, count=9, result=CheckResult.FAILED, line=n) for n in range(9)]
    assert verdict(log(*failures)).detail.endswith("(line 2); 6 more failed")


def test_the_timeline_has_each_test() -> None:
    failed = check(**SWAP, result=CheckResult.FAILED, line=7)
    steps = [{"at_ns": 0, "op": 6, "args": [98304]}]
    manifest = Manifest(outcome=Outcome(), inputs={"scenario": {"steps": steps}})
    events = timeline(log(check(), failed), manifest)
    assert [event["text"] for event in events] == [
        "step 0: self-check, swapping 96 MiB",
        "self-check 1 of 3: mmap passed",
        "self-check 2 of 3: swap FAILED: a wrong result (line 7)",
    ]
    assert (events[2]["name"], events[2]["line"]) == ("swap", 7)


def test_the_campaign_asks_for_it_on_both_architectures() -> None:
    cells = plan_cells(load_campaign(HOME / "campaigns/self-check.toml"))
    assert {cell.request.arch for cell in cells} == {"i386", "x86_64"}
    for cell in cells:
        (step,) = cell.scenario.steps
        assert isinstance(step.action, SelfCheck)
        # Otherwise nothing would be swapped.
        assert step.action.memory_kib > cell.memory_mib * 1024


def test_one_scenario_has_one_self_check(tmp_path: Path) -> None:
    text = (HOME / "campaigns/self-check.toml").read_text()
    table = text[text.index("[[scenario") :]
    (tmp_path / "twice.toml").write_text(text + table)
    with pytest.raises(InputError, match="only one self-check"):
        load_campaign(tmp_path / "twice.toml")
