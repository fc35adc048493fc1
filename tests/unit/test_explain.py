"""Every kind of outcome and every invariant is explained, in the words of the documentation."""

from __future__ import annotations

import ast
import json
import re

import pytest
from memnotify import places
from memnotify.check.promises import Invariant
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.guest.usage import HOST_OOM
from memnotify.model import Finding
from memnotify.places import DOCS
from memnotify.report.explain import Explained, every, explain_lines, explained
from memnotify.run.ledger import HOST_MEMORY

PACKAGE = places.HOME / "orchestrator" / "memnotify"


def infrastructure_kinds() -> set[str]:
    """Return each kind that the package gives to an InfrastructureError or an Outcome."""
    found = {HOST_OOM, HOST_MEMORY}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            given = node.args[:1] if name == "InfrastructureError" else []
            given += [key.value for key in node.keywords if key.arg == "infrastructure"]
            found |= {
                one.value
                for each in given
                for one in ast.walk(each)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            }
    return found


def test_every_kind_is_explained_and_nothing_else() -> None:
    known = {(one.what, one.name) for one in every()}
    assert {name for what, name in known if what == "finding"} == set(Finding)
    assert {name for what, name in known if what == "invariant"} == set(Invariant)
    there, used = {name for what, name in known if what == "infrastructure"}, infrastructure_kinds()
    assert len(used) > 25 and used - there == set()
    assert {"io", "internal"} < there  # a kind in a variable: guest/session.py


@pytest.mark.parametrize("one", list(every()), ids=lambda one: f"{one.what}-{one.name}")
def test_an_explanation_is_whole_and_fits_a_terminal(one: Explained) -> None:
    assert explained(one.name) == explained(f"{one.what}:{one.name}") == one
    for row in one.rows:
        assert len(row) == 3 and all(row.values())
    lines = list(explain_lines(one))
    assert lines[0] == f"{one.what}: {one.name}" and max(map(len, lines)) <= 80
    assert not [line for line in lines if "](" in line or "../" in line]
    for page in re.findall(r"\((docs/\S+)\)", "\n".join(lines)):
        assert (DOCS.parent / page).is_file()
    assert lines[-1] == f"more in {one.source}"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "finding:panic"]) == 0
    assert "Kernel panic - not syncing" in capsys.readouterr().out
    assert main(["explain"]) == 0
    assert f"{len(Invariant)} invariants: device, silence" in capsys.readouterr().out
    assert main(["explain", "guard", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["what"] == "invariant"
    assert main(["explain", "pnic"]) == 2
    assert "did you mean panic? there are: panic, reboot, hang" in capsys.readouterr().err
    with pytest.raises(InputError):
        explained("invariant:panic")
