"""The manual pages: there is one for each command, and a viewer reads them without complaint."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest
from memnotify import process
from memnotify.cli.main import COMMANDS
from memnotify.places import HOME

_PROGRAM = runpy.run_path(str(HOME / "docs/write_man_pages.py"))
PAGES, pages = _PROGRAM["PAGES"], _PROGRAM["pages"]


def test_each_command_has_a_current_page() -> None:
    written = {file.name: file.read_text() for file in PAGES.glob("*")}
    assert written == pages(), "run `make man`"
    assert {f"memnotify-{name}.1" for name in COMMANDS} < written.keys()
    assert "memnotify-series-import.1" in written


def test_text_that_begins_with_a_dot_is_no_macro() -> None:
    page = pages()["memnotify-report.1"]
    macros = {line.split()[0] for line in page.splitlines() if line.startswith(".")}
    assert ".html" in page
    assert not any(macro.startswith((".html", ".xml", ".ktap", ".md")) for macro in macros)


def test_no_warning_of_groff(tmp_path: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    for name, text in pages().items():
        (tmp_path / name).write_text(text)
        done = process.run(
            ["groff", "-man", "-ww", "-z", "-Tutf8", str(tmp_path / name)], timeout=60
        )
        assert done.stderr == "", name
