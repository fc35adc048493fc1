"""Programs that outlive a command, and those that are tied to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.process import CommandLog, detach

from tests.support.processes import alive, wait_for

PARENT = """\
import sys, time
from pathlib import Path
from memnotify.process import detach
words = ["sh", "-c", "echo begun; exec sleep 60"]
print(detach(words, output=Path(sys.argv[1]), tied=sys.argv[2] == "tied"), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("how", "outlives"), [("free", True), ("tied", False)])
def test_what_becomes_of_it_when_its_command_is_killed(
    tmp_path: Path, how: str, outlives: bool
) -> None:
    output = tmp_path / "output"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(output), how], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        wait_for(lambda: output.exists() and output.read_text() == "begun\n")
        assert alive(pid) and os.getsid(pid) == pid
        parent.kill()
        parent.wait()
        if outlives:
            time.sleep(0.3)
            assert alive(pid)
        else:
            wait_for(lambda: not alive(pid))
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_its_environment_is_constructed_and_it_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of mine")
    output, log = tmp_path / "output", tmp_path / "log"
    detach(["env"], output=output, env={"GIVEN": "a b"}, log=CommandLog(log))
    wait_for(lambda: output.exists() and "GIVEN=a b\n" in output.read_text())
    assert "SECRET" not in output.read_text()
    assert '"argv": ["env"]' in log.read_text()


def test_a_program_that_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot start env"):
        detach(["env"], output=tmp_path / "none" / "output")
