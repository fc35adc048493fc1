"""Commands and files that the documentation shows: the real parser takes them, README is short."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify import places
from memnotify.campaign.load import load_campaign
from memnotify.campaign.scenario_schema import ScenarioTable
from memnotify.cli.main import COMMANDS, parser

from tests.support.prose import documents

DOCS = places.HOME / "docs"
SHOWN = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?memnotify ((?:[^#\n]|#(?=\S))+)", re.MULTILINE)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
# Written with capitals, dots or brackets: a synopsis, not a command to type; or a part of one.
SYNOPSIS = re.compile(r"[A-Z]{2,}|\.\.\.|…|[\[|<>{]|^[^']*'[^']*$")


def blocks(page: Path, language: str) -> Iterator[str]:
    for fence in FENCE.finditer(page.read_text()):
        if fence[2] == language:
            yield fence[3]


def commands(page: Path) -> list[str]:
    shown = (block.replace("\\\n", " ").replace(" && ", "\n") for block in blocks(page, ""))
    lines = (line[1].strip() for block in shown for line in SHOWN.finditer(block))
    return [line for line in lines if not SYNOPSIS.search(line)]


TO_TYPE = [(page, line) for page in documents() for line in dict.fromkeys(commands(page))]


@pytest.mark.parametrize(
    ("page", "line"), TO_TYPE, ids=lambda it: it.name if isinstance(it, Path) else it
)
def test_a_command_that_a_page_shows_can_be_typed(
    page: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(re.sub(r" {3,}.*", "", line))
    try:
        parser().parse_args(words)
    except SystemExit as end:
        assert end.code == 0, f"{page}: {line}: {capsys.readouterr().err}"


def test_the_reference_lists_every_command() -> None:
    listed = set(
        re.findall(r"^memnotify (\w+)", (DOCS / "reference/commands.md").read_text(), re.M)
    )
    assert listed == COMMANDS.keys()


def test_the_commands_are_found() -> None:
    assert len(TO_TYPE) > 40
    assert (DOCS / "tutorial/own-question.md", "show runs/question") in TO_TYPE
    assert (places.HOME / "README.md", "check runs/demo") in TO_TYPE


@pytest.mark.parametrize(
    ("picture", "command"),
    [
        ("timeline", "memnotify plot runs/demo 19a32645 -o timeline.svg"),
        ("side-by-side", "memnotify plot runs/demo -o side-by-side.svg"),
        ("figures", "memnotify plot runs/compare"),
        ("latency", "memnotify plot runs/compare --kind latency"),
        ("batches", "memnotify plot runs/compare --kind batches"),
        ("herd", "memnotify plot runs/demo --kind herd"),
    ],
)
def test_every_picture_stands_beside_its_command(picture: str, command: str) -> None:
    page = (DOCS / "howto/plots.md").read_text()
    _, found, below = page.partition(f"](../plots/{picture}.svg)\n")
    assert found and command in below.partition("![")[0].split("\n")
    assert {file.stem for file in (DOCS / "plots").glob("*.svg")} >= {picture}
    assert (DOCS / f"plots/{picture}.svg").stat().st_size < 300_000


def test_the_campaign_of_the_tutorial_can_be_run(tmp_path: Path) -> None:
    (text,) = blocks(DOCS / "tutorial/own-question.md", "toml")
    file = tmp_path / "question.toml"
    file.write_text(text)
    campaign = load_campaign(file)
    assert campaign.table.matrix.series == ["v4", "v6"]
    assert len(campaign.table.expect) == 1


def test_the_scenario_of_the_manual_is_one() -> None:
    (text,) = blocks(DOCS / "howto/own-scenario.md", "toml")
    assert len(ScenarioTable.model_validate(tomllib.loads(text)).step) == 3


def test_the_readme_is_a_page() -> None:
    assert len((places.HOME / "README.md").read_text().splitlines()) <= 120


def test_readme_changes_the_name_of_the_campaign_that_it_copies() -> None:
    """Otherwise its results replace those of the demo, and runs/mine does not exist."""
    steps = (places.HOME / "README.md").read_text().partition("## Your own patch")[2]
    before, _, after = steps.partition("memnotify compare runs/mine")
    assert 'name = "mine"' in before
    assert after
