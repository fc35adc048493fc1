"""A reader that goes away is not a failed check."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_closed_pipe_has_a_status_of_its_own() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "memnotify.cli.main", "kernel", "list"]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
