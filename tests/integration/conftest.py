"""Fixtures of tests that read a finished run from Python."""

from __future__ import annotations

import memnotify as mn
import pytest

from tests.support.campaigns import Bench, Guests


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a campaign of four cells that has run, once for all tests of a module."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    bench.run(Guests())
    return bench


@pytest.fixture
def run(bench: Bench) -> mn.Run:
    """Return its run, as users open it."""
    return mn.open_run(str(bench.path))
