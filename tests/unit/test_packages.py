"""The packages that the Makefile installs are those that the bases require."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from memnotify.kernel.base import bases, load_base

MAKEFILE = Path(__file__).parents[2] / "Makefile"
COMES_WITH = {"binutils": "gcc"}


@pytest.mark.parametrize("base", bases())
def test_make_setup_installs_what_a_base_needs(base: str) -> None:
    found = re.search(r"^PACKAGES := ((?:.*\\\n)*.*)$", MAKEFILE.read_text(), re.MULTILINE)
    assert found is not None
    installed = set(found[1].replace("\\\n", " ").split())
    table = load_base(base).table
    needed = {*table.tools.values(), *table.headers.values()}
    assert {COMES_WITH.get(package, package) for package in needed} <= installed
