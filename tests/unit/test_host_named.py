"""What a manifest has about the host: what results depend on, and nobody's name."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from memnotify import host
from memnotify.model import Outcome
from memnotify.results.manifest import Manifest


def named(tmp_path: Path, cpuinfo: str | None) -> str:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    return host._cpu(tmp_path)


def test_the_model_of_the_cpu(tmp_path: Path) -> None:
    x86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: An  x86 CPU\n\nmodel name\t: other\n"
    assert named(tmp_path, x86) == "An x86 CPU"
    assert named(tmp_path, "processor : 0\nHardware : A board\n") == "A board"
    assert named(tmp_path, "processor : 0\n") == ""
    assert named(tmp_path / "gone", None) == ""


def test_a_manifest_names_the_host_and_no_user() -> None:
    here = host.machine()
    made = Manifest(outcome=Outcome(), host=here).to_json()
    assert Manifest.from_json(json.loads(json.dumps(made))).host == here
    assert made["host"]["cores"] == host.cores() and made["host"]["kernel"].startswith("Linux ")
    assert set(made["host"]) == {"name", "cpu", "cores", "memory_mib", "system", "kernel"}
    user = getpass.getuser()
    assert str(Path.home()) not in json.dumps(made["host"]) and user not in made["host"].values()
    del made["host"]
    assert Manifest.from_json(made).host is None


@pytest.mark.parametrize("wrong", [5, [], {"name": 1}, {"cores": 10**400}, {"cpu": None}])
def test_a_host_that_nobody_has_is_refused(wrong: Any) -> None:
    made = Manifest(outcome=Outcome(), host=host.machine()).to_json()
    value = {**made["host"], **wrong} if isinstance(wrong, dict) else wrong
    with pytest.raises(ValueError, match="host"):
        Manifest.from_json({**made, "host": value})
