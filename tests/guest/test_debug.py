"""A guest that is recorded, replayed, and inspected with gdb, forward and backward."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.records.layout import Kind
from memnotify.records.parquet import read_records
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.store import Artifact

from tests.support.bases import modern
from tests.support.campaign_text import POLL, head, scenario

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(shutil.which("gdb") is None, reason="there is no gdb"),
]


SHORT = scenario(
    "short",
    (0, POLL),
    (1, "balloon = { percent = 90, settle_s = 1 }"),
    start_s=2,
    duration_s=3,
    log_records=2000,
)
Debug = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, kernel_artifact: Callable[..., Artifact]) -> Callable[[str], RunFolder]:
    """Return a function (machine) that runs one cell and returns the run's folder."""
    kernel_artifact("none")

    def run(machine: str) -> RunFolder:
        file = tmp_path / "debug.toml"
        text = head(
            "debug",
            base=modern(),
            series="none",
            memory_mib=64,
            clients=2,
            machine=machine,
            scenario="short",
        )
        file.write_text(text + SHORT)
        assert main(["run", str(file), "-o", str(tmp_path / "run"), "--json"]) == 0
        return RunFolder(tmp_path / "run")

    return run


@pytest.fixture
def gdb(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Debug:
    """Return a function that runs gdb commands on a run's only cell and returns gdb's output."""

    def gdb(folder: RunFolder, record: int, *commands: str) -> str:
        script = tmp_path / "commands"
        script.write_text("".join(f"{command}\n" for command in commands))
        capfd.readouterr()
        words = ["gdb", str(folder.path), folder.plan()[0].id]
        assert main([*words, "--record", str(record), "-x", str(script)]) == 0
        return capfd.readouterr().out

    return gdb


def values(said: str) -> list[int]:
    """Return what gdb printed for `p/x`."""
    return [int(value, 16) for value in re.findall(r"^\$\d+ = (0x[0-9a-f]+)$", said, re.M)]


def test_a_recorded_guest_goes_back_and_forth(run: Callable[[str], RunFolder], gdb: Debug) -> None:
    folder = run("pc-swap")
    cell = folder.plan()[0].id
    # This also replays it, and fails if the replayed records differ from the recorded ones.
    main(["replay", "--record", str(folder.path), cell])
    kept = folder.path / "recordings" / cell
    assert {path.stat().st_uid for path in kept.iterdir()} == {os.geteuid()}  # lent in between
    log = read_records(kept / RECORDS)
    settled = int(log.kind(Kind.BALLOON)["commit"][1]) - 1
    where = gdb(
        folder,
        settled,
        "p/x $pc",
        "reverse-stepi",
        "p/x $pc",
        "stepi",
        "p/x $pc",
        "goto-record 3",
        "p/x $pc",
        "hbreak schedule",
        "continue",
        "info symbol $pc",
        "kernel-stack",
    )
    assert f"[record {settled} has just become valid]" in where
    assert "[record 3 has just become valid]" in where
    # All records are written by one instruction.
    after, before, again, third = values(where)
    assert before < after == again == third
    assert re.search(r"^schedule( \+ \d+)? in section .text", where, re.M)
    # The client goes to sleep in its own poll().
    assert re.search(r": 0x[0-9a-f]+ \w*sys_\w+ \+ \d+", where)


def test_a_guest_that_cannot_be_recorded_goes_forward(
    run: Callable[[str], RunFolder], gdb: Debug
) -> None:
    said = gdb(run("pc-swap-virtio"), 20, "p/x $pc", "stepi", "p/x $pc")
    assert "[record 20 has just become valid]" in said
    assert len(values(said)) == 2
