"""`make setup-dev` and `make dist` with stand-ins for Python: what is run, and in which order."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from memnotify import places

# Notes when it began and ended; `-m venv` makes the Python of the venv.
PYTHON = """\
#!/bin/bash
echo "begin $*" >>"$ASKED"
sleep 0.2
if [[ "$*" == "-m venv --clear .venv" ]]; then mkdir -p .venv/bin; cp "$0" .venv/bin/python; fi
echo "end $*" >>"$ASKED"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with what make needs of a checkout, and a python that only takes notes."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(places.HOME / name, tree)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tree


def make(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Nothing is installed on this machine: packages count as made.
    command = ["make", *words, "-o", "packages", f"PYTHON={tree.parent / 'python'}"]
    environment = os.environ | {"ASKED": str(tree.parent / "asked")}
    environment |= {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def test_only_one_pip_at_a_time_writes_into_a_venv(tree: Path) -> None:
    done = make(tree, "-j4", "setup-dev")
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tree.parent / "asked").read_text().splitlines()
    begun, ended = lines[::2], lines[1::2]
    assert len(begun) == 4
    assert [line.replace("begin", "end", 1) for line in begun] == ended


def git(tree: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *identity, *words], cwd=tree, check=True, capture_output=True)


def test_only_what_is_committed_is_packed(tree: Path) -> None:
    git(tree, "init")
    (tree / ".gitignore").write_text("/.venv/\n/dist/\n")
    git(tree, "add", ".")
    git(tree, "commit", "-m", "all")
    (tree / "pyproject.toml").write_text("")
    done = make(tree, "dist", "-o", "setup-dev")
    assert done.returncode == 2
    assert done.stderr.startswith("make dist: there are changes that are not committed")
    git(tree, "commit", "-a", "-m", "changed")
    assert "not committed" not in make(tree, "dist", "-o", "setup-dev").stderr
    (tree / "new").touch()
    assert "not committed" in make(tree, "dist", "-o", "setup-dev").stderr


def test_without_git_everything_is_packed(tree: Path) -> None:
    (tree / "dist").mkdir()
    assert "not committed" not in make(tree, "dist", "-o", "setup-dev").stderr
    assert not (tree / "dist").exists()
