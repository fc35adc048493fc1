"""The lock files hold for every Python that the project supports.

A lock made for one Python lacks what a package needs on another one, and pip, which insists on
hashes, then installs nothing at all.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
# One each of every line that is maintained.
PYTHONS = ("3.11.2", "3.12.3", "3.13.5", "3.14.0")


def locked(text: str) -> list[Requirement]:
    lines = re.findall(r"^[a-z][^\n]*==.*?(?= *\\?$)", text, re.MULTILINE)
    return [Requirement(line) for line in lines]


def names(lock: list[Requirement], environment: dict[str, str]) -> set[str]:
    return {
        canonicalize_name(each.name)
        for each in lock
        if each.marker is None or each.marker.evaluate(environment)
    }


@pytest.mark.parametrize("file", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_a_locked_package_needs_is_locked(file: str, python: str) -> None:
    environment = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
        "extra": "",
    }
    lock = locked((ROOT / file).read_text("utf-8"))
    have = names(lock, environment)
    assert len(have) > 10, "hardly any package found"
    looked = 0
    for name in sorted(have):
        try:
            needed = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue  # for a later Python
        looked += 1
        for each in needed:
            if each.marker is None or each.marker.evaluate(environment):
                assert canonicalize_name(each.name) in have, f"{name} needs {each}"
    assert looked > len(have) / 2, "hardly any package is installed here"
