"""What happens without the extras: all else works, and whoever needs one is told which."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from memnotify import extras, places
from memnotify.check.statistics import Effect, effect, paired_effect, spread
from memnotify.errors import InfrastructureError
from memnotify.extras import packaged_program
from memnotify.run.fleet.hosts import Host
from memnotify.run.fleet.remote import connect

WITHOUT = (
    "altair",
    "b4",
    "cryptography",
    "distributed",
    "fabric",
    "invoke",
    "pandas",
    "paramiko",
    "pytest",
    "scipy",
)
NEED_ONE = ("memnotify.plugin", "memnotify.report.plots.overlay", "memnotify.run.executors.dask_")
# Import all of the package except the modules that need an extra; where one is found is None.
IMPORT_ALL = f"""\
import importlib, pkgutil, sys
sys.modules |= dict.fromkeys({(*WITHOUT, "vl_convert")!r})
import memnotify
for module in pkgutil.walk_packages(memnotify.__path__, "memnotify."):
    if not module.name.startswith({NEED_ONE!r}):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_every_module_can_be_imported_without_the_extras() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {"memnotify.cli.compare", "memnotify.run.fleet"} < set(done.stdout.split())


def p_of(found: Effect | None) -> float:
    assert found is not None
    return found.p


@pytest.mark.parametrize(
    ("library", "needs_it", "message"),
    [
        ("scipy", lambda: p_of(effect([1, 2], [3, 4])), "a p value needs scipy,.*\\[compare\\]"),
        ("scipy", lambda: p_of(paired_effect(range(51), [-1] * 51)), "a p value needs scipy,"),
        (
            "fabric",
            lambda: connect(Host(name="b", address="a@b")),
            "fleet needs fabric,.*memnotify\\[fleet\\]'\\)",
        ),
    ],
)
def test_whoever_needs_an_extra_is_told_its_name(
    library: str, needs_it: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library, None)
    assert callable(needs_it)
    with pytest.raises(InfrastructureError, match=message) as caught:
        needs_it()
    assert "\n" not in str(caught.value)


def test_medians_with_intervals_need_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert spread([3.0]).median == 3
    found = paired_effect([1.0, 2.0], [3.0, 5.0])
    assert found is not None and found.difference is not None
    assert (found.delta, found.difference.low) == (-1, -3)


@pytest.mark.parametrize("program", ["b4", "clang-format"])
def test_a_missing_program_is_named_with_its_extra(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path))
    said = rf"a test needs {program},.*'memnotify\[import\]'"
    with pytest.raises(InfrastructureError, match=said):
        packaged_program(program, "a test")


def test_the_hint_is_the_pip_of_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = tmp_path / ".venv" / "bin", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "pip").write_text("#!/bin/sh\n")
        (folder / "pip").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python3"))
    monkeypatch.setenv("PATH", str(own))
    assert extras.install_command() == "pip install"
    monkeypatch.setenv("PATH", str(other))
    monkeypatch.chdir(tmp_path)
    assert extras.install_command() == ".venv/bin/python3 -m pip install"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert extras.install_command() == "uv pip install --python .venv/bin/python3"
    (tmp_path / ".venv" / "pipx_metadata.json").write_text("{}")
    assert extras.install_command() == "pipx runpip memnotify install"


def test_every_extra_that_is_named_exists() -> None:
    table = tomllib.loads((places.HOME / "pyproject.toml").read_text())
    known = set(table["project"]["optional-dependencies"])
    assert {*extras._PROGRAMS.values(), "compare", "fleet", "report"} < known
