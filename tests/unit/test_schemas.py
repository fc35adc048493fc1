"""schemas/ is current, describes every key, accepts every shipped file, and refuses bad ones."""

from __future__ import annotations

import json
import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from memnotify import places

from tests.support.campaign_text import POLL, head, scenario

SHIPPED = sorted(
    file
    for folder in (places.CAMPAIGNS, places.KERNELS, places.PATCHES, places.IMAGES / "machines")
    for file in folder.rglob("*.toml")
    if "original" not in file.parts
)
PROGRAM = places.HOME / "docs/write_schemas.py"


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((places.HOME / f"schemas/{name}.schema.json").read_text())
    return found


def errors(name: str, text: str) -> list[str]:
    value = json.loads(json.dumps(tomllib.loads(text), default=str))
    checker = jsonschema.Draft202012Validator(schema(name))
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(value)]


def properties(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(part, dict):
        for key, value in part.get("properties", {}).items():
            yield f"{path}/{key}", value
        for key, value in part.items():
            yield from properties(value, f"{path}/{key}")


def test_the_schemas_are_current(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = runpy.run_path(str(PROGRAM))
    main, where = program["main"], program["main"].__globals__
    monkeypatch.setattr(sys, "argv", ["write_schemas.py", "--check"])
    assert main() == 0, "run `make schemas`"
    assert {file.name for file in (places.HOME / "schemas").iterdir()} == {
        f"{name}.schema.json" for name in program["TABLES"]
    }
    where["FOLDER"] = tmp_path
    assert main() == 1
    monkeypatch.setattr(sys, "argv", ["write_schemas.py"])
    assert main() == 0
    monkeypatch.setattr(sys, "argv", ["write_schemas.py", "--check"])
    assert main() == 0


@pytest.mark.parametrize("file", sorted((places.HOME / "schemas").iterdir()), ids=lambda f: f.name)
def test_every_key_is_described(file: Path) -> None:
    found = dict(properties(json.loads(file.read_text())))
    assert len(found) >= 4
    assert not [name for name, value in found.items() if not value.get("description", "").strip()]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: str(f.relative_to(places.HOME)))
def test_a_shipped_file_names_its_schema_and_keeps_it(file: Path) -> None:
    text = file.read_text()
    named = re.match(r"#:schema (\S+)\n", text)
    assert named, "begin the file with `#:schema` and the path of its schema in schemas/"
    there = (file.parent / named[1]).resolve()
    assert there.parent == places.HOME / "schemas"
    assert errors(there.name.partition(".")[0], text) == []


CAMPAIGN = head(
    series=["none", "v4"], memory_mib=64, clients=[1, 2], machine="pc", scenario="s"
) + scenario("s", (0.5, POLL), duration_s=3)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("memory_mib = 64", "memory_mib = 8", "memory_mib"),
        ("memory_mib = 64", "memory = 64", "memory"),
        ("[1, 2]", "[1, 1]", "clients"),
        ('"poll"', '"pol"', "kind"),
        (', count = "matrix"', "", "count"),
        ("at_s = 0.5", 'at_s = 0.5\nstop = "hog"', "step[0]"),
        ('name = "try"', 'name = "a b"', "name"),
        ("duration_s = 3", "duration_s = 0", "duration_s"),
        ('base = "6.1"', "base = []", "base"),
    ],
)
def test_a_schema_refuses_what_memnotify_refuses(old: str, new: str, where: str) -> None:
    assert errors("campaign", CAMPAIGN) == []
    assert old in CAMPAIGN
    found = errors("campaign", CAMPAIGN.replace(old, new))
    assert found and any(where in error for error in found)


def test_a_revision_may_leave_to_another_what_is_required() -> None:
    assert errors("revision", 'based_on = "v6"\nwithout = ["fasync"]\n') == []
    assert errors("revision", '[lineage]\ndate = 2008-01-15\nauthor = "a"\nchanged = "b"\n') == []
    assert errors("revision", 'pollin = "gate"\n')


def test_a_file_of_hosts_is_checked_too() -> None:
    assert errors("hosts", '[[host]]\naddress = "me@there"\ncores = 2\n') == []
    assert errors("hosts", '[[host]]\naddress = "-oProxyCommand=x"\n')
    assert errors("hosts", "host = []\n")
