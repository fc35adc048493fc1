"""The workflow files that users copy: valid YAML and shell, and commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from memnotify.campaign.load import load_campaign
from memnotify.cli.main import parser

ROOT = Path(__file__).parents[2]
GITHUB, GITLAB = (ROOT / "docs/howto/ci" / f"{name}.yml" for name in ("github", "gitlab"))


def read(file: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(file.read_text())
    return value


def github_scripts() -> Iterator[str]:
    for job in read(GITHUB)["jobs"].values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def gitlab_scripts() -> Iterator[str]:
    document = read(GITLAB)
    yield "\n".join(document["default"]["before_script"])
    yield from ("\n".join(document[stage]["script"]) for stage in document["stages"])


SCRIPTS = [*github_scripts(), *gitlab_scripts()]


def commands(program: str) -> list[list[str]]:
    """Return the arguments of every call of a program, with a value for each of the service's."""
    found = []
    for script in SCRIPTS:
        for line in script.replace("\\\n", " ").splitlines():
            if f".venv/bin/{program} " in line:
                words = re.sub(r"\$\{\{.*?\}\}|\$\{?\w+\}?", "1", line).partition("||")[0]
                found.append(shlex.split(words)[1:])
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_shell(script: str) -> None:
    plain = re.sub(r"\$\{\{.*?\}\}", "1", script)
    checked = subprocess.run(["bash", "-n"], input=plain, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_commands_are_ours(pytestconfig: pytest.Config) -> None:
    called = commands("memnotify")
    assert {words[0] for words in called} == {"merge", "report"}
    for words in called:
        parser().parse_args(words)
    options = {word for words in commands("pytest") for word in words if word.startswith("--")}
    assert {"--memnotify", "--memnotify-shard", "--memnotify-output"} <= options
    for option in options:
        pytestconfig.getoption(option.lstrip("-").replace("-", "_"))  # ValueError: no such option


@pytest.mark.parametrize("variables", [read(GITHUB)["env"], read(GITLAB)["variables"]])
def test_what_is_run_is_there(variables: dict[str, str]) -> None:
    load_campaign(ROOT / variables["CAMPAIGN"])
    assert (ROOT / variables["EXPECTATIONS"]).is_file()


def test_the_parts_are_all_of_them() -> None:
    github = read(GITHUB)
    parts = github["jobs"]["cells"]["strategy"]["matrix"]["part"]
    assert parts == list(range(1, github["env"]["PARTS"] + 1))
    assert github["jobs"]["report"]["needs"] in github["jobs"]
    assert read(GITLAB)["cells"]["parallel"] > 1


def test_what_pip_installs_is_pinned() -> None:
    assert SCRIPTS
    for script in SCRIPTS:
        for line in script.splitlines():
            assert "pip install" not in line or "--require-hashes" in line
