"""What a command imports before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import memnotify
import pytest
from memnotify.kernel.base import load_base
from memnotify.kernel.inventory import list_kernels
from memnotify.kernel.source import fetch_source
from memnotify.store import Store

from tests.support.sources import kernel_tarball

PACKAGE = Path(memnotify.__file__).parents[1]


def bare(*words: str) -> subprocess.CompletedProcess[str]:
    """Run memnotify where no library but Python's own can be imported."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "memnotify", *words],
        env={"PYTHONPATH": str(PACKAGE), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_version_and_help_import_no_library(word: str) -> None:
    done = bare(word)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(("memnotify ", "usage: memnotify "))


def test_an_unknown_command_is_refused_without_any_library() -> None:
    done = bare("nonsense")
    assert done.returncode == 2 and "invalid choice: 'nonsense'" in done.stderr


HEAVY = {"numpy", "pyarrow", "pandas", "scipy", "asyncio", "ssl", "jinja2"}


@pytest.mark.parametrize("word", ["series", "kernel"])
def test_a_list_imports_no_heavy_library(word: str, tmp_path: Path) -> None:
    """They take a second of CPU; the list itself takes a tenth of one."""
    program = (
        "import sys\n"
        "from memnotify.cli.main import main\n"
        f"status = main([{word!r}, 'list'])\n"
        f"print(status, *{HEAVY!r} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(PACKAGE), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "0\n"


UNUSED = ("urllib.request", "http.client", "memnotify.cli.dump", "memnotify.run.preview")


def test_a_run_imports_nothing_that_it_hardly_ever_uses(tmp_path: Path) -> None:
    """A third of what it took to import was for holding guests, downloads and pages."""
    program = (
        "import sys\n"
        "from memnotify.cli.main import parser\n"
        "parser(['run']).parse_args(['run', 'demo.toml'])\n"
        f"print('numpy' in sys.modules, *set({UNUSED!r}) & set(sys.modules))\n"
    )
    (tmp_path / "demo.toml").touch()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(PACKAGE), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_no_plugin_of_pydantic_is_looked_for(tmp_path: Path) -> None:
    """It would be asked about each model of ours, and to look for one takes a tenth of a start."""
    (tmp_path / "plugin.py").write_text("raise SystemExit('the plugin was imported')\n")
    (tmp_path / "plugin-1.dist-info").mkdir()
    files = {
        "METADATA": "Name: plugin\nVersion: 1\n",
        "entry_points.txt": "[pydantic]\nx = plugin\n",
    }
    for name, text in files.items():
        (tmp_path / "plugin-1.dist-info" / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "memnotify", "series", "list"],
        env={"PYTHONPATH": f"{PACKAGE}:{tmp_path}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_listing_does_not_read_whole_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have hundreds of megabytes; whoever uses one checks it."""
    store = Store(tmp_path / "store")
    fetch_source(
        load_base("6.1"),
        str(kernel_tarball(tmp_path / "linux.tar.xz")),
        store=store,
        progress=lambda line: None,
    )
    monkeypatch.setattr("memnotify.store.digest_file", lambda _: pytest.fail("it was read"))
    (row,) = [row for row in list_kernels(store) if row["base"] == "6.1"]
    assert row["source"]["version"] == "6.1.9"
