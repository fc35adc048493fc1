"""reaction.json: what a comparison reads instead of a log, and when it reads the log."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import memnotify
import pytest
from memnotify.check.reaction import UNITS
from memnotify.records.parquet import write_records
from memnotify.results import reaction
from memnotify.results.folder import MANIFEST, RECORDS, seal_results
from memnotify.results.reaction import MAKERS, REACTION, Reacted, note_reaction, reacted_in

from tests.support.campaigns import made_up_log
from tests.support.cells import make_cell

PACKAGE = Path(memnotify.__file__).parent


def imported(name: str) -> Iterator[str]:
    """Yield the modules of this package that one of them imports."""
    tree = ast.parse(PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("memnotify"):
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = PACKAGE.joinpath(*inner.split(".")[1:]).with_suffix(".py").exists()
                yield inner if is_module else node.module


def test_a_note_depends_on_all_code_that_makes_the_figures() -> None:
    found, left = set[str](), ["memnotify.check.reaction"]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += imported(name)
    assert {module.__name__ for module in MAKERS} == found


@pytest.mark.parametrize("name", ["identical.py", "reaction.py"])
def test_a_note_depends_on_the_code_of_its_other_parts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, maker = Path.read_text, reaction._maker.__wrapped__

    def changed(path: Path, **how: str) -> str:
        return read(path, **how) + ("#" if path == PACKAGE / "results" / name else "")

    before = maker()
    monkeypatch.setattr(Path, "read_text", changed)
    assert None not in (before, maker()) and maker() != before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = made_up_log(make_cell())
    write_records(log, tmp_path / RECORDS)
    note_reaction(tmp_path, log)
    seal_results(tmp_path, {})
    return tmp_path


def test_a_note_stands_for_the_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = reacted_in(folder)
    (folder / REACTION).rename(folder / "aside")
    assert noted is not None
    assert noted == reacted_in(folder)
    (folder / "aside").rename(folder / REACTION)
    monkeypatch.setattr(reaction, "read_columns", None)  # nobody reads the log
    assert reacted_in(folder) == noted
    (folder / RECORDS).unlink()
    assert reacted_in(folder) is None


def test_a_note_that_was_added_to_a_cell_does_not_count(folder: Path) -> None:
    wanted = reacted_in(folder)
    note = json.loads((folder / REACTION).read_text())
    (folder / REACTION).unlink()
    seal_results(folder, {})
    changed = {**note, "figures": dict.fromkeys(UNITS, 9)}
    (folder / REACTION).write_text(json.dumps(changed))
    assert reacted_in(folder) == wanted
    (folder / MANIFEST).unlink()
    assert reacted_in(folder) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"maker": "0" * 64},
        {"maker": None},
        {"order": "0"},
        {"order": 0},
        {"lacking": 1},
        {"figures": {}},
        {"figures": dict.fromkeys(UNITS, "9")},
        {"figures": dict.fromkeys(UNITS, True)},
        {"figures": dict.fromkeys(UNITS, 1e999)},
        {"figures": dict.fromkeys(UNITS, 10**400)},
        {"figures": [*UNITS]},
    ],
    ids=str,
)
def test_another_note_does_not_count(folder: Path, change: dict[str, Any]) -> None:
    wanted = reacted_in(folder)
    note = json.loads((folder / REACTION).read_text())
    figures = dict.fromkeys(UNITS, 9)
    (folder / REACTION).write_text(json.dumps({**note, "figures": figures}))
    changed = reacted_in(folder)
    assert changed is not None
    assert changed.figures == figures  # a note that is ours does
    (folder / REACTION).write_text(json.dumps({**note, "figures": figures, **change}))
    assert reacted_in(folder) == wanted


def test_figures_that_json_cannot_hold_are_not_noted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / REACTION).unlink()
    infinite = Reacted(figures={"herd": float("inf")}, order="0" * 32, lacking=False)
    monkeypatch.setattr(Reacted, "of", lambda log: infinite)
    note_reaction(folder, made_up_log(make_cell()))
    assert not (folder / REACTION).exists()
