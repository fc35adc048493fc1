"""The environment of programs: what reaches them, and what does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from memnotify import environment
from memnotify.environment import COMPILER, NETWORK, TERMINAL, construct

FIXED = {"LC_ALL": "C", "TZ": "UTC"}


def test_nothing_comes_from_the_caller_but_what_is_listed() -> None:
    caller = {"PATH": "/bin", "TMPDIR": "/t", "HOME": "/h", "GIT_DIR": "/g", "LD_PRELOAD": "x.so"}
    assert construct(caller=caller) == {"PATH": "/bin", "TMPDIR": "/t", **FIXED}
    assert construct(COMPILER, caller=caller)["HOME"] == "/h"


def test_a_language_and_a_time_zone_of_the_caller_do_not_matter() -> None:
    caller = {"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "LANG": "de_DE", "LANGUAGE": "de"}
    assert construct(NETWORK, caller=caller) == {"PATH": os.defpath, **FIXED}


def test_what_is_given_comes_before_anything_else() -> None:
    caller = {"HOME": "/h"}
    found = construct(COMPILER, given={"HOME": "/tree", "LC_ALL": "C.UTF-8"}, caller=caller)
    assert (found["HOME"], found["LC_ALL"]) == ("/tree", "C.UTF-8")


def test_a_program_at_the_terminal_speaks_the_users_language() -> None:
    caller = {"LC_ALL": "de_DE.UTF-8", "TERM": "xterm", "PYTHONHOME": "/python"}
    found = construct(TERMINAL, caller=caller)
    assert found == {"PATH": os.defpath, "LC_ALL": "de_DE.UTF-8", "TERM": "xterm"}


def test_folders_hold_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    caller = {"PATH": "/usr/bin:bin::.", "TMPDIR": "tmp", "LD_LIBRARY_PATH": "lib:/lib"}
    found = construct(caller=caller)
    assert found["LD_LIBRARY_PATH"] == f"{tmp_path}/lib:/lib"
    assert found["PATH"] == f"/usr/bin:{tmp_path}/bin:{tmp_path}:{tmp_path}"
    assert found["TMPDIR"] == f"{tmp_path}/tmp"
    assert construct(caller={"TMPDIR": ""})["TMPDIR"] == ""


def test_every_variable_has_a_reason_and_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/surroundings.md").read_text()
    # All of the module's, so that a new one is not forgotten.
    tables = [value for name, value in vars(environment).items() if name[0].isupper()]
    tables = [value for value in tables if isinstance(value, dict)]
    assert all(len(table) > 0 and all(table.values()) for table in tables)
    missing = [name for table in tables for name in table if f"`{name}`" not in page]
    assert missing == []
