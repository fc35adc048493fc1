"""Run commands of memnotify one after the other in one process, as `surroundings.py` asks for it.

Started as `python surrounded.py PLAN`: PLAN is a JSON file with `path`, a folder for Python's path,
`result`, the file for what each command ended with and printed, and `commands`, lists of words by
name. Each command's output goes to files, as in a shell, so it is what a user would see.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def ran(main: Callable[[list[str]], int], words: list[str], out: Path, err: Path) -> dict[str, Any]:
    """Run one command with stdout and stderr in files."""
    files = [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for file in (out, err)]
    kept = [os.dup(fd) for fd in (1, 2)]
    for fd, file in enumerate(files, 1):
        os.dup2(file, fd)
        os.close(file)
    try:
        status = main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for fd, old in enumerate(kept, 1):
            os.dup2(old, fd)
            os.close(old)
    said = [file.read_bytes().decode("utf-8", "surrogateescape") for file in (out, err)]
    return {"status": status, "out": said[0], "err": said[1]}


def run_all(plan_file: Path) -> None:
    plan = json.loads(plan_file.read_bytes())
    sys.path.insert(0, plan["path"])
    from memnotify.cli.main import main

    out, err = (plan_file.with_name(name) for name in ("stdout", "stderr"))
    results = {name: ran(main, words, out, err) for name, words in plan["commands"].items()}
    Path(plan["result"]).write_bytes(json.dumps(results).encode())


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
