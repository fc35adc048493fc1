"""The modules and functions that docs/explanation/architecture.md names on the path of a record."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import memnotify
import pytest
from memnotify import places

PACKAGE = Path(memnotify.__file__).parent
DOCUMENT = places.HOME / "docs/explanation/architecture.md"
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def steps(text: str) -> list[str]:
    """Return the numbered items of the section about the path of a record."""
    section = text.split("## From shared memory to a table\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. (.*\n(?:   .*\n)*)", section, re.MULTILINE)


def wrong(step: str) -> list[str]:
    """Return what an item names that is not there, or that no other module in it uses."""
    found = []
    modules = {name: PACKAGE / name for name in re.findall(r"`(\w+/\w+\.py)`", step)}
    found += [name for name, file in modules.items() if not file.exists()]
    sources = {name: file.read_text() for name, file in modules.items() if file.exists()}
    defined = {
        name: {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, FUNCTION)}
        for name, source in sources.items()
    }
    used = {
        name: {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        | {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
        for name, source in sources.items()
    }
    for number, function in enumerate(re.findall(r"`(\w+)\(\)`", step)):
        where = [name for name in sources if function in defined[name]]
        users = [name for name in sources if name not in where and function in used[name]]
        if not where:
            found.append(f"{function}() is not defined")
        elif number and not users:
            found.append(f"{function}() is not used")
    return found


def test_the_path_of_a_record_is_true() -> None:
    found = steps(DOCUMENT.read_text())
    assert len(found) == 6
    files = [name for step in found for name in re.findall(r"`(images/[\w/]+\.c)`", step)]
    assert len(files) == 2 and all((places.HOME / name).exists() for name in files)
    assert [len(re.findall(r"`\w+\(\)`", step)) for step in found] == [0, 3, 3, 5, 2, 3]
    assert [wrong(step) for step in found] == [[]] * 6


def test_every_module_of_run_is_on_the_map() -> None:
    section = DOCUMENT.read_text().split("## The modules of `run`\n")[1].split("\n## ")[0]
    named = re.findall(r"`run/([\w/]+)\.py`", section)
    room = PACKAGE / "run"
    files = (file.relative_to(room).with_suffix("") for file in room.rglob("*.py"))
    modules = {str(file) for file in files if file.name != "__init__"}
    assert sorted(named) == sorted(modules)


@pytest.mark.parametrize(
    "step",
    [
        "`guest/sessions.py`",
        "`no_such()` in `guest/session.py`",
        "`run_cell()` in `guest/session.py`, then `measure()` of `check/metrics.py`",
    ],
)
def test_a_wrong_step_is_found(step: str) -> None:
    assert wrong(step)


def test_run_uses_only_the_board_of_report() -> None:
    imports = {
        line
        for file in (PACKAGE / "run").glob("*.py")
        for line in re.findall(r"^from memnotify\.report.*", file.read_text(), re.MULTILINE)
    }
    assert imports == {"from memnotify.report.board import Board"}


def imported_tests(source: str) -> list[str]:
    """Return the test modules from which a module imports."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return [name for node in nodes if re.search(r"(^|\.)test_\w+$", name := node.module or "")]


def test_a_test_module_imports_from_no_other() -> None:
    """Pytest would collect fixtures and tests of the other again; helpers are in tests/support."""
    assert imported_tests("from tests.unit.test_show import row") == ["tests.unit.test_show"]
    files = sorted((places.HOME / "tests").rglob("*.py"))
    assert len(files) > 300
    assert {str(file): found for file in files if (found := imported_tests(file.read_text()))} == {}
