"""A QEMU that misbehaves: a fake one, so that it can fail in every way, at any time."""

from __future__ import annotations

import json
import shutil
from functools import partial

import pytest
from memnotify.guest import qemu
from memnotify.guest.session import run_cell
from memnotify.guest.watchdog import Limits
from memnotify.records.parquet import read_records

from tests.support.lab import QUIET, MadeUp, campaign

RUNNER = partial(run_cell, limits=Limits(qmp_seconds=20, idle_wall_seconds=20))
IMPATIENT = partial(run_cell, limits=Limits(qmp_seconds=1))


FAULTS = {
    "does not start": ("qemu-died", "exit status 1): qemu: there is no such machine"),
    "dies at turn 0": ("qemu-died", "QEMU exited by itself (killed by SIGKILL)"),
    "dies at turn 1": ("qemu-died", "QEMU exited by itself (killed by SIGKILL)"),
}


@pytest.mark.usefixtures("no_oom_killer")
@pytest.mark.parametrize("plan", FAULTS)
def test_a_failed_qemu_is_tried_again_and_the_reason_kept(lab: MadeUp, plan: str) -> None:
    kind, reason = FAULTS[plan]
    lab.plan(plan, plan)
    told = lab.run("--cold", runner=RUNNER)
    assert (told.status, told.err) == (0, "")
    assert told.out.count(f"infrastructure:{kind}, trying again") == 2
    assert reason in told.out
    failed = f"infrastructure:{kind}"
    assert sorted(lab.outcomes().values()) == [[failed, failed, "ok"], ["ok"]]


@pytest.mark.parametrize("plan", FAULTS)
def test_after_three_times_it_is_reported_and_the_rest_completes(lab: MadeUp, plan: str) -> None:
    kind, reason = FAULTS[plan]
    lab.plan(plan, plan, plan)
    told = lab.run("--cold", runner=RUNNER)
    assert told.status == 3
    assert sorted(lab.outcomes().values()) == [[f"infrastructure:{kind}"] * 3, ["ok"]]
    (failed,) = (cell for cell in lab.cells().values() if len(cell["attempts"]) == 3)
    assert all(reason in attempt["reason"] for attempt in failed["attempts"])
    assert "2 cells: 1 ok, 0 findings, 1 infrastructure failure" in told.out
    again = lab.run("--cold", runner=RUNNER)
    assert again.status == 0
    assert "2 cells: 2 ok" in again.out


def test_a_qemu_that_never_speaks_is_given_up(lab: MadeUp) -> None:
    lab.plan(*["never speaks"] * 6)
    told = lab.run("--cold", runner=IMPATIENT)
    assert told.status == 3
    assert list(lab.outcomes().values()) == [["infrastructure:qmp-timeout"] * 3] * 2
    assert "QEMU sent no QMP greeting within 1 s" in told.out


def test_what_qemu_had_logged_before_it_died_is_kept(lab: MadeUp) -> None:
    lab.plan("dies at turn 1")
    lab.run("--cold", runner=RUNNER)
    (kept,) = lab.run_folder.cells.glob("*/attempts/1/records.parquet")
    assert len(read_records(kept)) == 1


GARBAGE = {
    "bytes": "greets " + json.dumps("\xff\xfe\x00\n"),
    "no object": "greets " + json.dumps("[1]\n"),
    "no greeting": "greets " + json.dumps("{}\n"),
    "greeting of another shape": "greets " + json.dumps('{"QMP": 5}\n'),
    "endless line": "greets endlessly",
    "answer in bytes": "says " + json.dumps("\xff\n"),
    "answer to nobody": "says " + json.dumps('{"return": {}, "id": "nobody"}\n'),
    "answer of no shape": "says " + json.dumps("{}\n"),
    "version of no shape": "returns {}",
    "version that is text": 'returns "7.2"',
    "event without data": "tells " + json.dumps({"event": "SHUTDOWN"}),
    "event with other data": "tells " + json.dumps({"event": "SHUTDOWN", "data": [1]}),
}


@pytest.mark.parametrize("plan", GARBAGE)
def test_garbage_on_qmp_is_a_failure_of_qemu(lab: MadeUp, plan: str) -> None:
    lab.file.write_text(campaign(only=QUIET))
    lab.plan(*[GARBAGE[plan]] * 3)
    told = lab.run("--cold", runner=IMPATIENT)
    assert told.status == 3
    kinds = {"infrastructure:qmp-lost", "infrastructure:qmp-timeout", "infrastructure:qmp-garbage"}
    (attempts,) = lab.outcomes().values()
    assert len(attempts) == 3
    assert kinds.issuperset(attempts)


def test_a_qemu_that_answers_late_is_waited_for(lab: MadeUp) -> None:
    lab.plan("answers late")
    told = lab.run("--cold", runner=RUNNER)
    assert told.status == 0
    assert list(lab.outcomes().values()) == [["ok"], ["ok"]]


def test_what_is_started_is_the_qemu_that_was_asked_for_its_version(lab: MadeUp) -> None:
    assert lab.run("--cold", runner=RUNNER).status == 0
    log = (lab.run_folder.path / "commands.jsonl").read_text().splitlines()
    started = {word for line in log for word in json.loads(line)["argv"] if qemu.QEMU in word}
    assert started == {str(lab.bin / qemu.QEMU)}
    # The location of QEMU is not part of the guest.
    assert {manifest["command"][0] for manifest in lab.cells().values()} == {qemu.QEMU}


def test_no_qemu_at_all(lab: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab.bin / qemu.QEMU).unlink()
    for name in ("sh", "setpriv", "env"):
        (lab.bin / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(lab.bin))
    told = lab.run("--cold", runner=RUNNER)
    assert told.status == 3
    assert told.err.startswith("memnotify: qemu-system-x86_64 --version: ")
    assert "No such file or directory" in told.err


def test_a_console_of_1_gb_takes_no_more_than_its_cap(lab: MadeUp) -> None:
    lab.plan("floods")
    told = lab.run("--cold", runner=RUNNER)
    assert told.status == 0
    assert list(lab.outcomes().values()) == [["ok"], ["ok"]]
    sizes = [path.stat().st_size for path in lab.run_folder.cells.glob("*/console.log")]
    assert 8 << 20 < max(sizes) < 9 << 20


@pytest.mark.filterwarnings("error::RuntimeWarning")  # from numpy; it would go to the terminal
@pytest.mark.parametrize("what", ["anywhere", "records", "end"])
def test_rubbish_in_log_and_mailbox_is_the_guests_finding(lab: MadeUp, what: str) -> None:
    lab.plan(*(f"scribbles {what} {seed}" for seed in range(2)))
    told = lab.run("--cold", runner=RUNNER)
    assert told.status == 0
    for attempts in lab.outcomes().values():
        assert len(attempts) == 1
        assert attempts[0].startswith("finding:")
    row = lab.run_folder.plan()[0]
    for words in (["show"], ["show", row.id], ["check"], ["report"]):
        assert lab.memnotify(words[0], *words[1:]).status in (0, 1)
