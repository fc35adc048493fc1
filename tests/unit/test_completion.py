"""The completion scripts, in the shells that this machine has."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import memnotify
import pytest
from memnotify import process
from memnotify.cli.completion import SHELLS
from memnotify.cli.completion.script import script
from memnotify.results.folder import PLAN

from tests.support.drawn import made_up_run

Complete = Callable[[str], list[str]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a memnotify to call, a run with a plan, and a campaign."""
    program = tmp_path / "bin/memnotify"
    program.parent.mkdir()
    package = Path(memnotify.__file__).parent.parent
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{package}" exec "{sys.executable}" -m memnotify "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine" / PLAN).write_text("[]")
    (tmp_path / "night.toml").touch()
    (tmp_path / "night.txt").touch()
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(script(shell))
    return tmp_path


def _shell(place: Path, words: list[str]) -> list[str]:
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    done = process.run(words, cwd=place, env={"PATH": path, "HOME": str(place)}, timeout=120)
    return done.stdout.splitlines()


def _bash(place: Path) -> Complete:
    def complete(line: str) -> list[str]:
        words = " ".join(f"'{word}'" for word in line.split(" "))
        asked = f"""
            source script.bash
            COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _shtab_memnotify; printf '%s\\n' "${{COMPREPLY[@]}}"
            """
        return _shell(place, ["bash", "-c", dedent(asked)])

    return complete


def _fish(place: Path) -> Complete:
    def complete(line: str) -> list[str]:
        asked = f"source script.fish; complete -C '{line}'"
        found = _shell(place, ["fish", "--no-config", "-c", asked])
        return [one.partition("\t")[0].rstrip("/") for one in found]

    return complete


SHELL_OF = {"bash": _bash, "fish": _fish}


@pytest.fixture(params=SHELL_OF)
def complete(request: pytest.FixtureRequest, place: Path) -> Complete:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return SHELL_OF[request.param](place)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_does_not_contradict_the_help(shell: str) -> None:
    head = script(shell)[:400]
    assert "Written by memnotify completion" in head
    assert "AUTOMATICALLY" not in head
    assert "Usage" not in head


def test_commands_and_options(complete: Complete) -> None:
    assert complete("memnotify sho") == ["show"]
    assert "bisect" in complete("memnotify series ")
    assert complete("memnotify show --colu") == ["--columns"]
    assert "--values" not in complete("memnotify completion --")


def test_choices_and_names(complete: Complete) -> None:
    assert {"latency", "herd"} <= set(complete("memnotify plot --kind "))
    assert "6.12" in complete("memnotify kernel build ")
    assert complete("memnotify kernel build 6.1 --series v3-f") == ["v3-faster"]
    assert "oom-kill" in complete("memnotify explain ")
    assert "template" in complete("memnotify store list ")
    assert "import" in complete("memnotify help series ")


def test_files(complete: Complete) -> None:
    assert "runs/mine" in complete("memnotify show ")
    assert complete("memnotify run ni") == ["night.toml"]


def test_zsh_is_offered_what_it_asks_for(place: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    driver = place / "driver.zsh"
    driver.write_text(_ZSH)
    lines = [
        "memnotify kernel fet",
        "memnotify explain pan",
        "memnotify show runs/m",
        "memnotify run ni",
    ]
    assert [
        line.strip() for line in _shell(place, ["zsh", "-f", str(driver), *lines]) if line.strip()
    ] == [
        "GOT:memnotify kernel fetch",
        "GOT:memnotify explain panic",
        "GOT:memnotify show runs/mine",
        "GOT:memnotify run night.toml",
    ]


# Types each line and a tab at a prompt, then has the line printed.
_ZSH = r"""
zmodload zsh/zpty
for line in "$@"; do
  zpty shell "zsh -f -i"
  zpty -w shell "PS1= PS2=; unsetopt zle_bracketed_paste prompt_sp"
  zpty -w shell "autoload -U compinit; compinit -u -D"
  zpty -w shell 'eval "$(<script.zsh)"; echo REA""DY'
  while zpty -r shell out; do [[ $out == *READY* ]] && break; done
  zpty -n -w shell "$line"$'\t'
  # The prompt takes keys only when the completion is done.
  zpty -n -w shell $'\C-aecho GO""T:\C-m'
  while zpty -r shell out; do [[ $out == *GOT:* ]] && { print -r -- $out; break }; done
  zpty -d shell
done
"""


def test_a_cell_of_the_run_on_the_line(place: Path) -> None:
    made_up_run(place / "night", [("0123", None, {"name": "6.1-v4"})])
    told = _shell(
        place, ["memnotify", *["completion", "bash", "--values", "cells", "show", "night", "-j"]]
    )
    assert told == ["6.1-v4"]


def test_a_half_typed_line_is_no_error(place: Path) -> None:
    (place / "runs/mine" / PLAN).write_text("{")
    words = ["memnotify", "completion", "bash", "--values", "cells", "show", "runs/mine"]
    assert _shell(place, words) == []


def test_a_name_that_a_terminal_would_obey_is_not_offered(place: Path) -> None:
    made_up_run(
        place / "night", [("0123", None, {"name": "a\x1b]0;b"}), ("45", None, {"name": "c"})]
    )
    words = ["memnotify", "completion", "bash", "--values", "cells", "show", "night"]
    assert _shell(place, words) == ["c"]
